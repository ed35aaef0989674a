// Whether the hidden states of a row are finite numbers, for chunks that sample nothing yet.
//
//   check_finite   grid (rows), block 256
//
// hidden ELEMENT [rows, hidden_size]; statuses int32 [rows], RowStatus. Reads the rows once: 4096
// of bfloat16 are 8 KB.
// Constants: ELEMENT is Bf16, Half or float.

#include "intrinsics.cuh"
#include "row_status.cuh"

#ifndef ELEMENT
#error "finite.cu needs ELEMENT: Bf16, Half or float"
#endif

constexpr int NUM_THREADS = 256;

extern "C" __global__ void __launch_bounds__(NUM_THREADS)
    check_finite(const ELEMENT* hidden, int* statuses, int hidden_size)
{
    __shared__ int is_sound;
    if (threadIdx.x == 0) {
        is_sound = 1;
    }
    __syncthreads();
    const ELEMENT* row = hidden + static_cast<long long>(blockIdx.x) * hidden_size;
    bool are_mine_finite = true;
    for (int i = threadIdx.x; i < hidden_size; i += NUM_THREADS) {
        are_mine_finite = are_mine_finite && is_finite(to_float(row[i]));
    }
    if (!are_mine_finite) {
        atomicAnd(&is_sound, 0);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        statuses[blockIdx.x] = is_sound ? SOUND : NOT_FINITE;
    }
}
