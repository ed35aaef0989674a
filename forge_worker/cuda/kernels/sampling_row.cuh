// One sequence's row in the tables of device_tables.py, as the sampling kernels read it.
//
// Constants: PARAM_... and PARAM_WORDS, from device_tables.py.
#pragma once

#include "row_status.cuh"

#ifndef PARAM_WORDS
#error "sampling_row.cuh needs PARAM_WORDS and the PARAM_... of device_tables.py"
#endif

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
