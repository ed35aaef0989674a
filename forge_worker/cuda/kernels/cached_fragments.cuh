// Cached keys and values straight from global memory to the fragments of mma, in 16 bytes a lane
// where the size of a head allows it. For attention_single.cu, which says why their order is free.
#pragma once

#include "attention.cuh"

#if HEAD_DIM % 16 != 0
#error "attention_single works on 16 numbers of a head at a time; attention_scalar takes any 8"
#endif

constexpr int KEY_REGISTERS = HEAD_DIM / 8;     // a token's numbers lie in 4 lanes
constexpr int VALUE_REGISTERS = HEAD_DIM / 16;  // a token's numbers lie in 8 lanes

// The lane's place in fragments, as the PTX manual has them.
struct Lane {
    int group;  // 0..7
    int place;  // 0..3
};

__device__ __forceinline__ Lane this_lane()
{
    const int lane = threadIdx.x % WARP_THREADS;
    return {lane / 4, lane % 4};
}

// Registers of what is cached, before it is widened: each is one register of a fragment, or, where
// a number is a byte, two.
constexpr int FRAGMENTS_A_WORD = HAS_SCALES ? 2 : 1;
constexpr int KEY_WORDS = ceil_div(KEY_REGISTERS, FRAGMENTS_A_WORD);
constexpr int VALUE_WORDS = ceil_div(VALUE_REGISTERS, FRAGMENTS_A_WORD);

// What lies together of so many numbers: 16 bytes at most.
template <int NUM_BYTES>
struct Together;

template <>
struct Together<16> {
    using Type = uint4;
};

template <>
struct Together<8> {
    using Type = uint2;
};

template <>
struct Together<4> {
    using Type = uint32_t;
};

template <>
struct Together<2> {
    using Type = uint16_t;
};

template <int NUMBERS>
using Numbers = typename Together<NUMBERS * sizeof(CACHED)>::Type;

__device__ __forceinline__ void load_words(uint32_t* words, const uint4* address)
{
    const uint4 loaded = __ldcs(address);
    words[0] = loaded.x;
    words[1] = loaded.y;
    words[2] = loaded.z;
    words[3] = loaded.w;
}

__device__ __forceinline__ void load_words(uint32_t* words, const uint2* address)
{
    const uint2 loaded = __ldcs(address);
    words[0] = loaded.x;
    words[1] = loaded.y;
}

// A whole register, or half of one.
template <class Word>
__device__ __forceinline__ void load_words(uint32_t* words, const Word* address)
{
    words[0] = __ldcs(address);
}

// A fourth of a row of HEAD_DIM numbers: 8 of every 32, then 4 of the 16 that may be left.
__device__ __forceinline__ void load_fourth(uint32_t (&words)[KEY_WORDS], const CACHED* row,
                                            int place)
{
    const auto* eights = reinterpret_cast<const Numbers<8>*>(row) + place;
#pragma unroll
    for (int dim = 0; dim + 32 <= HEAD_DIM; dim += 32) {
        load_words(&words[dim / 8 / FRAGMENTS_A_WORD], eights + dim / 8);
    }
    if (HEAD_DIM % 32 != 0) {
        constexpr int rest = HEAD_DIM / 32 * 32;
        const auto* fours = reinterpret_cast<const Numbers<4>*>(row) + place;
        load_words(&words[rest / 8 / FRAGMENTS_A_WORD], fours + rest / 4);
    }
}

// An eighth of a row: 8 of every 64, then 4 of 32 and 2 of 16 where so many are left.
__device__ __forceinline__ void load_eighth(uint32_t (&words)[VALUE_WORDS], const CACHED* row,
                                            int group)
{
    const auto* eights = reinterpret_cast<const Numbers<8>*>(row) + group;
#pragma unroll
    for (int dim = 0; dim + 64 <= HEAD_DIM; dim += 64) {
        load_words(&words[dim / 16 / FRAGMENTS_A_WORD], eights + dim / 8);
    }
    if (HEAD_DIM % 64 >= 32) {
        constexpr int rest = HEAD_DIM / 64 * 64;
        const auto* fours = reinterpret_cast<const Numbers<4>*>(row) + group;
        load_words(&words[rest / 16 / FRAGMENTS_A_WORD], fours + rest / 4);
    }
    if (HEAD_DIM % 32 != 0) {
        constexpr int rest = HEAD_DIM / 32 * 32;
        const auto* twos = reinterpret_cast<const Numbers<2>*>(row) + group;
        load_words(&words[rest / 16 / FRAGMENTS_A_WORD], twos + rest / 2);
    }
}

// What the loaded words say in the type that tensor cores multiply.
template <class C, int REGISTERS, int WORDS>
__device__ __forceinline__ void widen(uint32_t (&registers)[REGISTERS],
                                      const uint32_t (&words)[WORDS], float scale)
{
    if constexpr (HAS_SCALES) {
        const typename RowFormat<C>::template Widening<ELEMENT> widening(scale);
#pragma unroll
        for (int i = 0; i < REGISTERS; ++i) {
            registers[i] = widening.widen2(words[i / 2], i % 2 == 1);
        }
    } else {
#pragma unroll
        for (int i = 0; i < REGISTERS; ++i) {
            registers[i] = words[i];
        }
    }
}

// Which number of the head is the first of the two in register `index` of load_eighth.
__device__ __forceinline__ int dim_of_register(int index, int group)
{
    const int dim = index * 16;
    if (dim < HEAD_DIM / 64 * 64) {
        return dim / 64 * 64 + 8 * group + dim % 64 / 8;
    }
    if (dim < HEAD_DIM / 32 * 32) {
        return HEAD_DIM / 64 * 64 + 4 * group + dim % 32 / 8;
    }
    return HEAD_DIM / 32 * 32 + 2 * group;
}

template <int COUNT>
__device__ __forceinline__ void clear(uint32_t (&registers)[COUNT])
{
#pragma unroll
    for (int i = 0; i < COUNT; ++i) {
        registers[i] = 0u;
    }
}

__device__ __forceinline__ uint32_t low_halves(uint32_t first, uint32_t second)
{
    return (first & 0xffffu) | (second << 16);
}

__device__ __forceinline__ uint32_t high_halves(uint32_t first, uint32_t second)
{
    return (first >> 16) | (second & 0xffff0000u);
}
