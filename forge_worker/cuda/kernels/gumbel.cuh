// Gumbel noise as a function of seed, choice, position and token; the same bits, and to within a
// rounding of the logarithms the same noise, as forge_worker/sampler/choice.py gives.
//
// Constants: PARAM_..., from device_tables.py.
#pragma once

#include "philox.cuh"
#include "quad.cuh"
#include "sampling_row.cuh"

constexpr float NOISE_RANGE = 25.75f;
constexpr float LARGEST_U = 0.99999994f;  // 1 - 2^-24
constexpr float TWO_TO_MINUS_32 = 2.3283064365386963e-10f;
constexpr float TWO_TO_MINUS_33 = 1.1641532182693481e-10f;
constexpr float LOG_2_ROUNDED_UP = 0.69315f;
constexpr float NOISE_MARGIN = 1e-3f;  // far more than float rounds away

// The bits of tokens 4 call .. 4 call + 3.
__device__ __forceinline__ uint4 random_bits(SamplingRow row, int call, int position)
{
    const uint4 counter = make_uint4(call, position, row.params[PARAM_CHOICE_INDEX], 0);
    const uint2 key = make_uint2(row.params[PARAM_SEED], row.params[PARAM_SEED + 1]);
    return philox4x32(counter, key);
}

__device__ __forceinline__ uint32_t lane_of(uint4 bits, int lane)
{
    return lane < 2 ? (lane == 0 ? bits.x : bits.y) : (lane == 2 ? bits.z : bits.w);
}

__device__ __forceinline__ float noise_of(uint32_t bits)
{
    const float scaled = static_cast<float>(bits) * TWO_TO_MINUS_32;  // exact
    const float u = fminf(scaled + TWO_TO_MINUS_33, LARGEST_U);
    return -logf(-log1pf(-u));
}

// Not less than the noise of these bits: -log(-log(1 - u)) is at most -log(u).
__device__ __forceinline__ float noise_bound(uint32_t bits)
{
    return static_cast<float>(__clz(bits) + 1) * LOG_2_ROUNDED_UP + NOISE_MARGIN;
}
