// One sequence's row in the tables of device_tables.py, as the sampling kernels read it.
//
// Constants: PARAM_... and PARAM_WORDS, from device_tables.py.
#pragma once

#include "elements.cuh"

#ifndef PARAM_WORDS
#error "sampling_row.cuh needs PARAM_WORDS and the PARAM_... of device_tables.py"
#endif

__device__ __forceinline__ float minus_infinity()
{
    return __uint_as_float(0xff800000u);
}

struct SamplingRow {
    const int* params;

    __device__ __forceinline__ SamplingRow(const int* table, int row)
        : params(table + static_cast<long long>(row) * PARAM_WORDS)
    {
    }

    __device__ __forceinline__ float real(int word) const { return __int_as_float(params[word]); }
    __device__ __forceinline__ bool is_greedy() const { return real(PARAM_TEMPERATURE) == 0.0f; }
    __device__ __forceinline__ double top_p() const
    {
        return *reinterpret_cast<const double*>(params + PARAM_TOP_P);
    }
};

// Why a row has no token; the same numbers as sampler.py's.
enum RowStatus { SOUND = 0, NOT_FINITE = 1, ALL_RULED_OUT = 2 };

__device__ __forceinline__ RowStatus status_of(float best)
{
    const bool is_finite = (__float_as_uint(best) & 0x7f800000u) != 0x7f800000u;
    if (is_finite) {
        return SOUND;
    }
    return best == minus_infinity() ? ALL_RULED_OUT : NOT_FINITE;
}
