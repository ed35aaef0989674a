// A token and its score in 64 bits that compare as they should: the larger score wins, of equal
// ones the lower token; NaN, whatever its sign, above all. So the best of a row is one maximum, and
// the same in whatever order threads and blocks come to it.
#pragma once

#include "intrinsics.cuh"

typedef unsigned long long Packed;

constexpr uint32_t NAN_RANK = 0xffffffffu;
constexpr uint32_t SIGN_BIT = 0x80000000u;

// The bits of a float, changed so that they rise as the float does; both zeros give the same.
__device__ __forceinline__ uint32_t rank_of(float value)
{
    if (value != value) {
        return NAN_RANK;
    }
    const uint32_t bits = __float_as_uint(value + 0.0f);
    return bits & SIGN_BIT ? ~bits : bits | SIGN_BIT;
}

__device__ __forceinline__ Packed pack(float score, int token)
{
    return static_cast<Packed>(rank_of(score)) << 32 | ~static_cast<uint32_t>(token);
}

__device__ __forceinline__ int token_of(Packed best)
{
    return static_cast<int>(~static_cast<uint32_t>(best));
}

__device__ __forceinline__ float score_of(Packed best)
{
    const uint32_t rank = static_cast<uint32_t>(best >> 32);
    return __uint_as_float(rank & SIGN_BIT ? rank & ~SIGN_BIT : ~rank);
}

__device__ __forceinline__ Packed greater(Packed a, Packed b)
{
    return a > b ? a : b;
}

__device__ __forceinline__ Packed warp_best(Packed best)
{
#pragma unroll
    for (int distance = WARP_THREADS / 2; distance > 0; distance /= 2) {
        best = greater(best, __shfl_xor_sync(ALL_LANES, best, distance));
    }
    return best;
}

// Of a block with exactly THREADS threads along x; every thread gets the best.
template <int THREADS>
__device__ __forceinline__ Packed block_best(Packed best)
{
    constexpr int NUM_WARPS = THREADS / WARP_THREADS;
    __shared__ Packed of_warps[NUM_WARPS];
    best = warp_best(best);
    if (threadIdx.x % WARP_THREADS == 0) {
        of_warps[threadIdx.x / WARP_THREADS] = best;
    }
    __syncthreads();
#pragma unroll
    for (int warp = 0; warp < NUM_WARPS; ++warp) {
        best = greater(best, of_warps[warp]);
    }
    __syncthreads();
    return best;
}
