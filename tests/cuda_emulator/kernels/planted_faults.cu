// Kernels with one mistake each, which the emulator must report (test_faults.py), and beside them
// what they should have been. A test of the tests: never run these on a GPU.
#include "intrinsics.cuh"

constexpr int THREADS = 128;

// ---------------------------------------------------------------- barriers

template <bool HAS_BARRIER>
__device__ __forceinline__ void reverse(const float* in, float* out)
{
    __shared__ float values[THREADS];
    values[threadIdx.x] = in[threadIdx.x];
    if (HAS_BARRIER) {
        __syncthreads();
    }
    out[threadIdx.x] = values[THREADS - 1 - threadIdx.x];
}

extern "C" __global__ void __launch_bounds__(THREADS)
    reverse_right(const float* in, float* out)
{
    reverse<true>(in, out);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    reverse_without_barrier(const float* in, float* out)
{
    reverse<false>(in, out);
}

// Neighbours in a warp are never in step by themselves.
extern "C" __global__ void __launch_bounds__(32) swap_without_syncwarp(const float* in, float* out)
{
    __shared__ float values[32];
    values[threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = values[threadIdx.x ^ 1];
}

// The first sum is still being read when the second is written.
extern "C" __global__ void __launch_bounds__(THREADS)
    sum_twice_without_second_barrier(const float* in, float* out)
{
    __shared__ float of_warps[THREADS / WARP_THREADS];
    float sums[2];
    for (int i = 0; i < 2; ++i) {
        const float of_warp = warp_sum(in[i * THREADS + threadIdx.x]);
        of_warps[threadIdx.x / WARP_THREADS] = of_warp;
        __syncthreads();
        sums[i] = of_warps[0] + of_warps[1] + of_warps[2] + of_warps[3];
    }
    out[threadIdx.x] = sums[0] - sums[1];
}

extern "C" __global__ void divergent_barrier(float* out)
{
    if (threadIdx.x < 40) {
        __syncthreads();
        out[threadIdx.x] = 1.0f;
    } else {
        __syncthreads();
        out[threadIdx.x] = 2.0f;
    }
}

extern "C" __global__ void barrier_against_shuffle(float* out)
{
    if (threadIdx.x % 2 == 0) {
        __syncthreads();
    }
    out[threadIdx.x] = warp_sum(1.0f);
}

// ---------------------------------------------------------------- warps

// The lanes that do not come wait at the end of the block, for nothing.
extern "C" __global__ void shuffle_of_half_a_warp(float* out)
{
    float sum = 0.0f;
    if (threadIdx.x % 2 == 0) {
        sum = warp_sum(1.0f);
    }
    __syncthreads();
    out[threadIdx.x] = sum;
}

extern "C" __global__ void shuffle_after_return(float* out)
{
    if (threadIdx.x >= 20) {
        return;
    }
    out[threadIdx.x] = warp_sum(1.0f);
}

extern "C" __global__ void shuffle_outside_mask(float* out)
{
    if (threadIdx.x < 16) {
        out[threadIdx.x] = __shfl_sync(0x0000ffffu, 1.0f, 20);
    }
}

extern "C" __global__ void mask_without_caller(float* out)
{
    out[threadIdx.x] = __shfl_sync(0x0000ffffu, 1.0f, 0);
}

extern "C" __global__ void sum_against_maximum(float* out)
{
    out[threadIdx.x] = threadIdx.x % 2 == 0 ? __shfl_xor_sync(ALL_LANES, 1.0f, 1)
                                            : static_cast<float>(__ballot_sync(ALL_LANES, 1));
}

extern "C" __global__ void product_after_return(float* out)
{
    if (threadIdx.x == 31) {
        return;
    }
    float d[4] = {};
    const uint32_t a[4] = {};
    const uint32_t b[2] = {};
    mma_16x8x16<Bf16>(d, a, b);
    out[threadIdx.x] = d[0];
}

// ---------------------------------------------------------------- addresses

// Right for as many rows as there are blocks.
extern "C" __global__ void __launch_bounds__(32)
    copy_rows(const float* in, float* out, int first_row)
{
    const int row = static_cast<int>(blockIdx.x) + first_row;
    out[row * 32 + static_cast<int>(threadIdx.x)] = in[row * 32 + static_cast<int>(threadIdx.x)];
}

extern "C" __global__ void misaligned_vector(const float* in, float* out)
{
    float values[8];
    load8(in + threadIdx.x, values);
    out[threadIdx.x] = values[0];
}

extern "C" __global__ void misaligned_ldmatrix(float* out)
{
    __shared__ __align__(16) unsigned char rows[1024];
    rows[threadIdx.x] = 0;
    __syncthreads();
    uint32_t registers[4];
    ldmatrix_x4<false>(registers, rows + threadIdx.x * 8);
    out[threadIdx.x] = __uint_as_float(registers[0]);
}

extern "C" __global__ void ldmatrix_of_global_memory(const float* in, float* out)
{
    uint32_t registers[4];
    ldmatrix_x4<false>(registers, in + threadIdx.x * 4);
    out[threadIdx.x] = __uint_as_float(registers[0]);
}

extern "C" __global__ void index_beyond_local_array(float* out, int index)
{
    float values[4] = {1.0f, 2.0f, 3.0f, 4.0f};
    out[threadIdx.x] = values[index];
}

extern "C" __global__ void write_beyond_dynamic_shared(float* out)
{
    extern __shared__ __align__(128) unsigned char shared_memory[];
    float* values = reinterpret_cast<float*>(shared_memory);
    values[threadIdx.x] = 1.0f;
    out[threadIdx.x] = values[threadIdx.x];
}

extern "C" __global__ void read_unwritten_shared(float* out)
{
    extern __shared__ __align__(128) unsigned char shared_memory[];
    __shared__ float values[32];
    if (threadIdx.x != 5) {
        values[threadIdx.x] = 0.0f;
        reinterpret_cast<float*>(shared_memory)[threadIdx.x] = 0.0f;
    }
    __syncthreads();
    out[threadIdx.x] = values[threadIdx.x];
    out[32 + threadIdx.x] = reinterpret_cast<const float*>(shared_memory)[threadIdx.x];
}

extern "C" __global__ void endless_recursion(float* out, int depth)
{
    volatile float local[1024];
    local[depth % 1024] = out[0];
    if (depth >= 0) {
        endless_recursion(out, depth + 1);
    }
    out[1] = local[depth % 1024];
}

extern "C" __global__ void divide(int* out, int divisor)
{
    out[threadIdx.x] = 7 / divisor;
}

extern "C" __global__ void shift(int* out, int distance)
{
    out[threadIdx.x] = 1 << distance;
}

// ---------------------------------------------------------------- asynchronous copies

// GROUPS_LEFT 0 is right; 1 waits for none of the one group there is.
template <int GROUPS_LEFT>
__device__ __forceinline__ void copy_through_shared(const float* in, float* out)
{
    __shared__ float4 copied[32];
    copy_async_16(&copied[threadIdx.x], in + threadIdx.x * 4, true);
    copy_async_commit();
    copy_async_wait<GROUPS_LEFT>();
    reinterpret_cast<float4*>(out)[threadIdx.x] = copied[threadIdx.x];
}

extern "C" __global__ void async_copy_right(const float* in, float* out)
{
    copy_through_shared<0>(in, out);
}

extern "C" __global__ void async_copy_without_wait(const float* in, float* out)
{
    copy_through_shared<1>(in, out);
}

// The buffer is filled again while other threads may still read what was there.
extern "C" __global__ void async_copy_into_buffer_in_use(const float* in, float* out)
{
    __shared__ float4 buffer[THREADS];
    const int thread = threadIdx.x;
    float sum = 0.0f;
    for (int tile = 0; tile < 2; ++tile) {
        copy_async_16(&buffer[thread], in + (tile * THREADS + thread) * 4, true);
        copy_async_commit();
        copy_async_wait<0>();
        __syncthreads();
        sum += buffer[THREADS - 1 - thread].x * static_cast<float>(tile + 1);
    }
    out[thread] = sum;
}

extern "C" __global__ void async_copy_beyond_array(const float* in, float* out)
{
    __shared__ float4 buffer[32];
    copy_async_16(&buffer[threadIdx.x], in + threadIdx.x * 4, true);
    out[threadIdx.x] = 0.0f;
}

// ---------------------------------------------------------------- blocks

// The last block to finish adds up what all have written: right, whichever it is.
extern "C" __global__ void last_block_adds(const float* in, float* parts, int* num_done, float* out)
{
    parts[blockIdx.x] = in[blockIdx.x];
    __threadfence();
    const int num_before = atomicAdd(num_done, 1);
    if (num_before + 1 != static_cast<int>(gridDim.x)) {
        return;
    }
    float sum = 0.0f;
    for (int i = 0; i < static_cast<int>(gridDim.x); ++i) {
        sum += parts[i];
    }
    out[0] = sum;
}

// Wrong: that the block with the greatest number is the last.
extern "C" __global__ void greatest_block_adds(const float* in, float* parts, float* out)
{
    parts[blockIdx.x] = in[blockIdx.x];
    if (blockIdx.x + 1 != gridDim.x) {
        return;
    }
    float sum = 0.0f;
    for (int i = 0; i < static_cast<int>(gridDim.x); ++i) {
        sum += parts[i];
    }
    out[0] = sum;
}

// Wrong: that the next block runs at the same time.
extern "C" __global__ void wait_for_next_block(volatile int* is_done)
{
    is_done[blockIdx.x] = 1;
    while (blockIdx.x + 1 < gridDim.x && is_done[blockIdx.x + 1] == 0) {
    }
}
