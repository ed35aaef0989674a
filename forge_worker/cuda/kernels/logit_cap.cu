// Logits bent so that none leaves (-cap, cap), in place: cap · tanh(logit / cap) (Gemma 2, 2024,
// arXiv:2408.00118).
//
//   grid   `logits`, row after row, BLOCK_THREADS a block; the last block may be ragged
//   block  BLOCK_THREADS along x, a thread a float
//   types  logits: float [size]
//   macros BLOCK_THREADS
//
// Memory bounds it: 8 bytes a logit. What is not a number stays so.

#include "intrinsics.cuh"

#ifndef BLOCK_THREADS
#error "logit_cap.cu needs BLOCK_THREADS"
#endif

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    cap_logits(float* logits, int64_t size, float cap)
{
    const int64_t index = static_cast<int64_t>(blockIdx.x) * BLOCK_THREADS + threadIdx.x;
    if (index < size) {
        logits[index] = cap * tanhf(logits[index] / cap);
    }
}
