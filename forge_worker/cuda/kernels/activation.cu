// The gate of a feed-forward layer (Shazeer 2020, arXiv:2002.05202): out = activation(gate) · up,
// the activation one of gate.cuh.
//
//   grid   vectors of `out`, row after row, BLOCK_THREADS a block; the last block may be ragged
//   block  BLOCK_THREADS along x, a thread a vector of WIDTH columns
//   types  gate_up: ELEMENT [T, 2 · INTERMEDIATE_SIZE], the gate first;
//          out: ELEMENT [T, INTERMEDIATE_SIZE]
//   macros ELEMENT, INTERMEDIATE_SIZE, WIDTH (divides it, 16 bytes at most), BLOCK_THREADS
//
// Memory bounds it: 3 · INTERMEDIATE_SIZE elements a row. Float inside, rounded once.

#include "gate.cuh"
#include "vectors.cuh"

#if !defined(ELEMENT) || !defined(INTERMEDIATE_SIZE) || !defined(WIDTH) || !defined(BLOCK_THREADS)
#error "activation.cu needs ELEMENT, INTERMEDIATE_SIZE, WIDTH and BLOCK_THREADS"
#endif

constexpr int VECTORS_A_ROW = INTERMEDIATE_SIZE / WIDTH;
static_assert(INTERMEDIATE_SIZE % WIDTH == 0, "a vector must not reach from the gate into up");

using Activation = float (*)(float);

template <Activation ACTIVATION>
__device__ __forceinline__ void activate_and_multiply(const ELEMENT* __restrict__ gate_up,
                                                      ELEMENT* __restrict__ out, int num_vectors)
{
    const int vector = blockIdx.x * BLOCK_THREADS + threadIdx.x;
    if (vector >= num_vectors) {
        return;
    }
    const int64_t row = vector / VECTORS_A_ROW;
    const int column = vector % VECTORS_A_ROW * WIDTH;
    const ELEMENT* gate_address = gate_up + row * 2 * INTERMEDIATE_SIZE + column;
    float gate[WIDTH];
    float up[WIDTH];
    load_vector(gate_address, gate);
    load_vector(gate_address + INTERMEDIATE_SIZE, up);
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
        up[i] *= ACTIVATION(gate[i]);
    }
    store_vector(out + row * INTERMEDIATE_SIZE + column, up);
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    silu_mul(const ELEMENT* gate_up, ELEMENT* out, int num_vectors)
{
    activate_and_multiply<silu>(gate_up, out, num_vectors);
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    gelu_tanh_mul(const ELEMENT* gate_up, ELEMENT* out, int num_vectors)
{
    activate_and_multiply<gelu_tanh>(gate_up, out, num_vectors);
}
