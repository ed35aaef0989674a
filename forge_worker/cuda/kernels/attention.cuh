// Parts that the attention kernels share: the paged cache, what a query sees, and scores.
//
// Constants of the model, which every attention kernel needs:
//   ELEMENT      Bf16 | Half | float: of queries and the output
//   CACHED       of cached keys and values: ELEMENT, or see cached.cuh
//   HEAD_DIM     numbers in a head, a multiple of 8
//   GROUP        query heads that share one KV head
//   BLOCK_SIZE   tokens in a block of the cache; any number, also a whole context
//   HAS_SOFTCAP  1 where scores are soft-capped, otherwise 0
//
// Softmax is computed online (Milakov and Gimelshein 2018): of any part of the keys three things
// are known: the highest score, the sum of the weights exp(score - highest), and the sum of the
// values by these weights. Keys and parts are taken in a fixed order, so equal inputs give equal
// bits. A key that a query must not see has the score -inf; a part of the keys without any that is
// seen has the highest score -inf and the sum 0, and weighs nothing.
#pragma once

#include "cached.cuh"
#include "elements.cuh"
#include "intrinsics.cuh"

#if !defined(ELEMENT) || !defined(HEAD_DIM) || !defined(GROUP) || !defined(BLOCK_SIZE)
#error "attention needs ELEMENT, HEAD_DIM, GROUP and BLOCK_SIZE"
#endif
#if !defined(HAS_SOFTCAP)
#error "attention needs HAS_SOFTCAP, 0 or 1"
#endif
#if HEAD_DIM % 8 != 0
#error "a head is read 8 numbers at a time"
#endif

constexpr float TWO_LOG2_E = 2.88539008f;

__device__ __forceinline__ float minus_infinity()
{
    return __uint_as_float(0xff800000u);
}

constexpr int ceil_div(int count, int size)
{
    return (count + size - 1) / size;
}

// ---------------------------------------------------------------- the cache

// One KV head of one sequence, in a cache of [num_blocks, num_kv_heads] tiles, see cached.cuh.
struct Cache {
    const CACHED* keys;  // of this head, in the first block of all
    const CACHED* values;
    const int* blocks;  // ids of the sequence's blocks, first to last
    int block_stride;   // numbers from a block to the next

    __device__ __forceinline__ Cache(const CACHED* all_keys, const CACHED* all_values,
                                     const int* blocks, int num_kv_heads, int kv_head)
        : keys(all_keys + kv_head * TILE_STRIDE),
          values(all_values + kv_head * TILE_STRIDE),
          blocks(blocks),
          block_stride(num_kv_heads * TILE_STRIDE)
    {
    }

    // Where the tile of a token's block begins, in keys and in values alike. Without a sign,
    // divisions by powers of two are single instructions.
    __device__ __forceinline__ int64_t tile(unsigned token) const
    {
        const int64_t block = __ldg(blocks + token / BLOCK_SIZE);
        return block * block_stride;
    }

    // Where the numbers of a token begin.
    __device__ __forceinline__ int64_t offset(unsigned token) const
    {
        return tile(token) + token % BLOCK_SIZE * HEAD_DIM;
    }

    // `cached`: keys or values.
    __device__ __forceinline__ float scale(const CACHED* cached, unsigned token) const
    {
        return HAS_SCALES ? scale_of_token(cached + tile(token), token % BLOCK_SIZE) : 1.0f;
    }
};

// Tokens of a sequence.
struct Range {
    int begin;
    int end;

    __device__ __forceinline__ bool has(int token) const
    {
        return token >= begin && token < end;
    }
};

// `window` is the most keys a query sees, itself among them.
__device__ __forceinline__ Range seen_from(int position, int window)
{
    return {max(0, position + 1 - window), position + 1};
}

// ---------------------------------------------------------------- scores

// The short form errs by some 1e-7, which is much of a small result only; that is what a float has
// digits for.
__device__ __forceinline__ float tanh_of(float x)
{
    if (sizeof(ELEMENT) == sizeof(float)) {
        return tanhf(x);
    }
    // Right where the power is infinite, too.
    return 1.0f - __fdividef(2.0f, fast_exp2(x * TWO_LOG2_E) + 1.0f);
}

// Without a soft-cap a score is the bare product of query and key, and its scale is applied in the
// multiply-add that makes an exponent of it: one instruction less for each score.
struct Scoring {
    float scale;  // of a product: scale * log2(e), or scale / cap where scores are capped
    float cap;    // cap * log2(e), unused where they are not

    __device__ __forceinline__ float score(float product) const
    {
#if HAS_SOFTCAP
        return __fmul_rn(cap, tanh_of(product * scale));
#else
        return product;
#endif
    }

    // What sums made with `before` as the highest score are multiplied by: exactly 1 where it did
    // not change. weight() would leave a rounding there, for every key or tile that comes after.
    __device__ __forceinline__ float rescale(float before, float highest) const
    {
        const float unit = HAS_SOFTCAP ? 1.0f : scale;
        return fast_exp2(__fmul_rn(before, unit) - __fmul_rn(highest, unit));
    }

    // exp(score - highest) of the true scores; `highest` is finite. The rounding is spelled out, or
    // a compiler might leave out now this one and now the other.
    __device__ __forceinline__ float weight(float score, float highest) const
    {
        const float unit = HAS_SOFTCAP ? 1.0f : scale;
        return fast_exp2(__fmaf_rn(score, unit, -__fmul_rn(highest, unit)));
    }
};

// What to subtract from scores: -inf minus -inf would be no number.
__device__ __forceinline__ float finite_highest(float highest)
{
    return highest == minus_infinity() ? 0.0f : highest;
}
