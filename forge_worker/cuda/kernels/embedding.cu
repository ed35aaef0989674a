// The residual stream's first value: a row of the embedding table for each token, times `scale`
// (1, or for Gemma the square root of the hidden size).
//
//   grid   x: one row of `residual`; y: pieces of BLOCK_THREADS vectors of it
//   block  BLOCK_THREADS along x, a thread a vector of WIDTH columns
//   types  table: ELEMENT [vocab_size, HIDDEN_SIZE]; token_ids: int32 [T];
//          residual: float [T, HIDDEN_SIZE]
//   macros ELEMENT, HIDDEN_SIZE (divisible by 8), BLOCK_THREADS
//
// Memory bounds it: (e + 4) · HIDDEN_SIZE bytes a row, e those of an ELEMENT. Ids are trusted.

#include "vectors.cuh"

#if !defined(ELEMENT) || !defined(HIDDEN_SIZE) || !defined(BLOCK_THREADS)
#error "embedding.cu needs ELEMENT, HIDDEN_SIZE and BLOCK_THREADS"
#endif

// A warp writes 512 neighbouring bytes.
constexpr int WIDTH = 4;
static_assert(HIDDEN_SIZE % 8 == 0, "rows of every type must begin at multiples of 16 bytes");

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    embed(const ELEMENT* __restrict__ table, const int32_t* __restrict__ token_ids,
          float* __restrict__ residual, float scale)
{
    const int column = (blockIdx.y * BLOCK_THREADS + threadIdx.x) * WIDTH;
    if (column >= HIDDEN_SIZE) {
        return;
    }
    const int64_t token_id = token_ids[blockIdx.x];
    float values[WIDTH];
    load_vector(table + token_id * HIDDEN_SIZE + column, values);
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
        values[i] *= scale;
    }
    store_vector(residual + static_cast<int64_t>(blockIdx.x) * HIDDEN_SIZE + column, values);
}
