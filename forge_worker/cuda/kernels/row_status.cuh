// Why a row gives no token; the same numbers as RowStatus in sampler.py.
#pragma once

#include "elements.cuh"

enum RowStatus { SOUND = 0, NOT_FINITE = 1, ALL_RULED_OUT = 2 };

constexpr uint32_t EXPONENT_BITS = 0x7f800000u;
constexpr uint32_t MINUS_INFINITY_BITS = 0xff800000u;

__device__ __forceinline__ float minus_infinity()
{
    return __uint_as_float(MINUS_INFINITY_BITS);
}

__device__ __forceinline__ bool is_finite(float value)
{
    return (__float_as_uint(value) & EXPONENT_BITS) != EXPONENT_BITS;
}

// Of a row whose largest logit is `best`.
__device__ __forceinline__ RowStatus status_of(float best)
{
    if (is_finite(best)) {
        return SOUND;
    }
    return best == minus_infinity() ? ALL_RULED_OUT : NOT_FINITE;
}
