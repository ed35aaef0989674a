// RMS norm of rows of the residual stream (Zhang and Sennrich 2019, arXiv:1910.07467):
//
//     out[row] = x / sqrt(mean(x²) + eps) · weight,  x = residual[row]
//
// and how rows leave the stream without one, come back to it, and lose their mean in it.
//
//   grid   one block a row of `out`, or of `partial`
//   block  BLOCK_THREADS along x; a thread keeps its share of the row in registers
//   types  residual, partial: float [T, HIDDEN_SIZE]; weight: float [HIDDEN_SIZE];
//          out: ELEMENT [rows, HIDDEN_SIZE]; logit_rows: int32 [rows]
//   macros ELEMENT, HIDDEN_SIZE (divisible by 8), BLOCK_THREADS (whole warps)
//
// Memory bounds it. Bytes a row, e those of an ELEMENT: (4 + e) · HIDDEN_SIZE, 12 · HIDDEN_SIZE to
// join, and 8 · HIDDEN_SIZE to centre. The weight stays in the cache, and is asked for before the barrier, so that nobody waits
// for it behind it.
//
// Sums are float, in an order that depends on HIDDEN_SIZE and BLOCK_THREADS alone: a row gives the
// same bits in every batch.

#include "intrinsics.cuh"
#include "vectors.cuh"

#if !defined(ELEMENT) || !defined(HIDDEN_SIZE) || !defined(BLOCK_THREADS)
#error "norm.cu needs ELEMENT, HIDDEN_SIZE and BLOCK_THREADS"
#endif

// A warp reads 512 neighbouring bytes of the residual at a time.
constexpr int WIDTH = 4;
constexpr int NUM_VECTORS = HIDDEN_SIZE / WIDTH;
constexpr int NUM_ROUNDS = (NUM_VECTORS + BLOCK_THREADS - 1) / BLOCK_THREADS;
static_assert(HIDDEN_SIZE % 8 == 0, "rows of every type must begin at multiples of 16 bytes");

// One thread's part of a row: vector `round * BLOCK_THREADS + threadIdx.x` of each round.
struct Share {
    float vectors[NUM_ROUNDS][WIDTH];
};

__device__ __forceinline__ bool has_vector(int round)
{
    return round * BLOCK_THREADS + threadIdx.x < NUM_VECTORS;
}

__device__ __forceinline__ int first_column(int round)
{
    return (round * BLOCK_THREADS + threadIdx.x) * WIDTH;
}

template <class E>
__device__ __forceinline__ Share load_share(const E* row)
{
    Share share = {};
#pragma unroll
    for (int round = 0; round < NUM_ROUNDS; ++round) {
        if (has_vector(round)) {
            load_vector(row + first_column(round), share.vectors[round]);
        }
    }
    return share;
}

template <class E>
__device__ __forceinline__ void store_share(E* row, const Share& share)
{
#pragma unroll
    for (int round = 0; round < NUM_ROUNDS; ++round) {
        if (has_vector(round)) {
            store_vector(row + first_column(round), share.vectors[round]);
        }
    }
}

__device__ __forceinline__ float sum_of_squares(const Share& share)
{
    float sum = 0.0f;
#pragma unroll
    for (int round = 0; round < NUM_ROUNDS; ++round) {
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            sum += share.vectors[round][i] * share.vectors[round][i];
        }
    }
    return sum;
}

__device__ __forceinline__ float sum_of(const Share& share)
{
    float sum = 0.0f;
#pragma unroll
    for (int round = 0; round < NUM_ROUNDS; ++round) {
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            sum += share.vectors[round][i];
        }
    }
    return sum;
}

__device__ __forceinline__ void apply_norm(Share& x, const float* weight, float eps)
{
    const Share scale = load_share(weight);
    const float mean = block_sum<BLOCK_THREADS>(sum_of_squares(x)) / HIDDEN_SIZE;
    const float inverse = rsqrtf(mean + eps);
#pragma unroll
    for (int round = 0; round < NUM_ROUNDS; ++round) {
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            x.vectors[round][i] *= inverse * scale.vectors[round][i];
        }
    }
}

__device__ __forceinline__ void store_norm(Share x, const float* weight, float eps, ELEMENT* out)
{
    apply_norm(x, weight, eps);
    store_share(out, x);
}

__device__ __forceinline__ void add_share(float* row, const Share& added, float scale)
{
    Share x = load_share(row);
#pragma unroll
    for (int round = 0; round < NUM_ROUNDS; ++round) {
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            x.vectors[round][i] += scale * added.vectors[round][i];
        }
    }
    store_share(row, x);
}

__device__ __forceinline__ int64_t row_offset(int row)
{
    return static_cast<int64_t>(row) * HIDDEN_SIZE;
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    rms_norm(const float* __restrict__ residual, const float* __restrict__ weight,
             ELEMENT* __restrict__ out, float eps)
{
    const int64_t offset = row_offset(blockIdx.x);
    store_norm(load_share(residual + offset), weight, eps, out + offset);
}

// What a part of a layer computed meets the residual, in place: residual += scale · norm(partial).
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    join_rms_norm(float* __restrict__ residual, const float* __restrict__ partial,
                  const float* __restrict__ weight, float eps, float scale)
{
    const int64_t offset = row_offset(blockIdx.x);
    Share x = load_share(partial + offset);
    apply_norm(x, weight, eps);
    add_share(residual + offset, x, scale);
}

// The same without a norm.
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    join(float* __restrict__ residual, const float* __restrict__ partial, float scale)
{
    const int64_t offset = row_offset(blockIdx.x);
    add_share(residual + offset, load_share(partial + offset), scale);
}

// Each row without its mean: the RMS norm of what is left is the row's layer norm (Ba et al. 2016,
// arXiv:1607.06450).
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS) centre(float* __restrict__ residual)
{
    float* row = residual + row_offset(blockIdx.x);
    Share x = load_share(row);
    const float mean = block_sum<BLOCK_THREADS>(sum_of(x)) / HIDDEN_SIZE;
#pragma unroll
    for (int round = 0; round < NUM_ROUNDS; ++round) {
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            x.vectors[round][i] -= mean;
        }
    }
    store_share(row, x);
}

// For parts that nothing norms on the way in.
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    cast(const float* __restrict__ residual, ELEMENT* __restrict__ out)
{
    const int64_t offset = row_offset(blockIdx.x);
    store_share(out + offset, load_share(residual + offset));
}

// Of the rows whose logits are wanted; each of `logit_rows` is a row of `residual`.
extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    gather_rms_norm(const float* __restrict__ residual, const int32_t* __restrict__ logit_rows,
                    const float* __restrict__ weight, ELEMENT* __restrict__ out, float eps)
{
    const float* row = residual + row_offset(logit_rows[blockIdx.x]);
    store_norm(load_share(row), weight, eps, out + row_offset(blockIdx.x));
}
