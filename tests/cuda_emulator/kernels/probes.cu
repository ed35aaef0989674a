// One small kernel for each intrinsic, so that its lanes can be compared one by one with a
// description in NumPy (intrinsic_cases.py): on the emulator in every test run, and on a GPU.
//
// Each reads `in` [inputs, threads] and writes `out` [outputs, threads], 32 bits an element; a
// thread has a column. One block: 32 threads, or 128 in the kernels whose names begin with block.
#include "intrinsics.cuh"

__device__ __forceinline__ uint32_t input(const uint32_t* in, int row)
{
    return in[row * blockDim.x + threadIdx.x];
}

__device__ __forceinline__ float float_input(const uint32_t* in, int row)
{
    return __uint_as_float(input(in, row));
}

__device__ __forceinline__ void output(uint32_t* out, int row, uint32_t value)
{
    out[row * blockDim.x + threadIdx.x] = value;
}

__device__ __forceinline__ void output(uint32_t* out, int row, float value)
{
    output(out, row, __float_as_uint(value));
}

// ---------------------------------------------------------------- shuffles and votes

// in: value, lane to read from.
extern "C" __global__ void shuffles(const uint32_t* in, uint32_t* out)
{
    const uint32_t value = input(in, 0);
    const int lane = static_cast<int>(input(in, 1));
    output(out, 0, __shfl_sync(ALL_LANES, value, lane));
    output(out, 1, __shfl_sync(ALL_LANES, value, lane, 8));
    output(out, 2, __shfl_xor_sync(ALL_LANES, value, 5));
    output(out, 3, __shfl_up_sync(ALL_LANES, value, 3));
    output(out, 4, __shfl_up_sync(ALL_LANES, value, 3, 16));
    output(out, 5, __shfl_down_sync(ALL_LANES, value, 7));
    output(out, 6, __shfl_down_sync(ALL_LANES, value, 7, 16));
}

// in: value. The halves of the warp part, each with a mask of its own, and meet again.
extern "C" __global__ void shuffles_of_halves(const uint32_t* in, uint32_t* out)
{
    uint32_t value = input(in, 0);
    if (threadIdx.x < 16) {
        value += __shfl_xor_sync(0x0000ffffu, value, 1);
        value += __shfl_xor_sync(0x0000ffffu, value, 2);
    } else {
        value += __shfl_xor_sync(0xffff0000u, value, 8);
    }
    output(out, 0, value);
    output(out, 1, __shfl_xor_sync(ALL_LANES, value, 31));
}

// in: 0 or 1.
extern "C" __global__ void votes(const uint32_t* in, uint32_t* out)
{
    const int is_set = static_cast<int>(input(in, 0));
    output(out, 0, static_cast<uint32_t>(__ballot_sync(ALL_LANES, is_set)));
    output(out, 1, static_cast<uint32_t>(__any_sync(ALL_LANES, is_set) != 0));
    output(out, 2, static_cast<uint32_t>(__all_sync(ALL_LANES, is_set) != 0));
    output(out, 3, static_cast<uint32_t>(__any_sync(ALL_LANES, 0) != 0));
    output(out, 4, static_cast<uint32_t>(__all_sync(ALL_LANES, 1) != 0));
}

// in: value. The odd lanes return before the others vote.
extern "C" __global__ void vote_after_return(const uint32_t* in, uint32_t* out)
{
    output(out, 0, 0u);
    if (threadIdx.x % 2 == 1) {
        return;
    }
    output(out, 0, static_cast<uint32_t>(__ballot_sync(ALL_LANES, input(in, 0) != 0)));
}

// in: 0 or 1.
extern "C" __global__ void __launch_bounds__(128) block_votes(const uint32_t* in, uint32_t* out)
{
    const int is_set = static_cast<int>(input(in, 0));
    output(out, 0, static_cast<uint32_t>(__syncthreads_or(is_set) != 0));
    output(out, 1, static_cast<uint32_t>(__syncthreads_and(is_set) != 0));
    output(out, 2, static_cast<uint32_t>(__syncthreads_count(is_set)));
}

// in: value. Lanes that hold the same value find each other; the upper half of the warp by itself.
extern "C" __global__ void matches(const uint32_t* in, uint32_t* out)
{
    output(out, 0, static_cast<uint32_t>(__match_any_sync(ALL_LANES, input(in, 0))));
    output(out, 1, 0u);
    if (threadIdx.x >= 16) {
        output(out, 1, static_cast<uint32_t>(__match_any_sync(0xffff0000u, input(in, 0))));
    }
}

// ---------------------------------------------------------------- atomics

// in: integer. All threads change the same numbers, in any order.
extern "C" __global__ void __launch_bounds__(128) block_atomics(const uint32_t* in, uint32_t* out)
{
    __shared__ uint32_t shared[8];
    const uint32_t value = input(in, 0);
    if (threadIdx.x < 8) {
        shared[threadIdx.x] = threadIdx.x == 2 || threadIdx.x == 4 ? 0xffffffffu : 0;
    }
    __syncthreads();
    atomicAdd(&shared[0], value);
    atomicMax(&shared[1], value);
    atomicMin(&shared[2], value);
    atomicOr(&shared[3], value);
    atomicAnd(&shared[4], value);
    atomicAdd(reinterpret_cast<float*>(&shared[5]), static_cast<float>(value % 16));
    atomicInc(&shared[6], 99);
    uint32_t seen = shared[7];
    uint32_t expected = 0;
    do {  // adds the value's lowest byte by comparing and swapping
        expected = seen;
        seen = atomicCAS(&shared[7], expected, expected + value % 256);
    } while (seen != expected);
    __syncthreads();
    for (int i = 0; i < 8; ++i) {
        output(out, i, shared[i]);
    }
}

// ---------------------------------------------------------------- sums and maxima

// in: float.
extern "C" __global__ void warp_reductions(const uint32_t* in, uint32_t* out)
{
    output(out, 0, warp_sum(float_input(in, 0)));
    output(out, 1, warp_max(float_input(in, 0)));
}

// in: float, float.
extern "C" __global__ void __launch_bounds__(128)
    block_reductions(const uint32_t* in, uint32_t* out)
{
    output(out, 0, block_sum<128>(float_input(in, 0)));
    output(out, 1, block_sum<128>(float_input(in, 1)));
    output(out, 2, block_max<128>(float_input(in, 0)));
}

// ---------------------------------------------------------------- arithmetic

// in: two integers.
extern "C" __global__ void bits(const uint32_t* in, uint32_t* out)
{
    const uint32_t a = input(in, 0);
    const uint32_t b = input(in, 1);
    output(out, 0, __umulhi(a, b));
    output(out, 1, static_cast<uint32_t>(__popc(a)));
    output(out, 2, static_cast<uint32_t>(__clz(static_cast<int>(a))));
    output(out, 3, static_cast<uint32_t>(__ffs(static_cast<int>(a))));
    output(out, 4, static_cast<uint32_t>(__brev(a)));
}

// in: float.
extern "C" __global__ void power_of_two(const uint32_t* in, uint32_t* out)
{
    output(out, 0, fast_exp2(float_input(in, 0)));
}

// in: three pairs.
extern "C" __global__ void multiply_adds_bf16(const uint32_t* in, uint32_t* out)
{
    output(out, 0, multiply_add2<Bf16>(input(in, 0), input(in, 1), input(in, 2)));
}

extern "C" __global__ void multiply_adds_half(const uint32_t* in, uint32_t* out)
{
    output(out, 0, multiply_add2<Half>(input(in, 0), input(in, 1), input(in, 2)));
}

// ---------------------------------------------------------------- elements

// in: float, float.
template <class E>
__device__ __forceinline__ void round_and_widen(const uint32_t* in, uint32_t* out)
{
    const float low = float_input(in, 0);
    const float high = float_input(in, 1);
    const E rounded = from_float<E>(low);
    output(out, 0, static_cast<uint32_t>(rounded.bits));
    output(out, 1, to_float(rounded));
    output(out, 2, pack2<E>(low, high));
}

extern "C" __global__ void elements_bf16(const uint32_t* in, uint32_t* out)
{
    round_and_widen<Bf16>(in, out);
}

extern "C" __global__ void elements_half(const uint32_t* in, uint32_t* out)
{
    round_and_widen<Half>(in, out);
}

// A thread has eight elements here, in consecutive places: in [threads, 4] and out [2, threads, 4]
// hold eight of 16 bits, in [threads, 8] and out [2, threads, 8] eight floats.
template <class E>
__device__ __forceinline__ void copy_eight(const uint32_t* in, uint32_t* out)
{
    const E* source = reinterpret_cast<const E*>(in) + threadIdx.x * 8;
    E* target = reinterpret_cast<E*>(out) + threadIdx.x * 8;
    float values[8];
    load8(source, values);
    store8(target, values);
    load8_streaming(source, values);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        values[i] = -values[i];
    }
    store8(target + blockDim.x * 8, values);
}

extern "C" __global__ void eight_bf16(const uint32_t* in, uint32_t* out)
{
    copy_eight<Bf16>(in, out);
}

extern "C" __global__ void eight_half(const uint32_t* in, uint32_t* out)
{
    copy_eight<Half>(in, out);
}

extern "C" __global__ void eight_float(const uint32_t* in, uint32_t* out)
{
    copy_eight<float>(in, out);
}

// ---------------------------------------------------------------- tensor cores

// in: four registers of a, two of b, four of d.
template <class E>
__device__ __forceinline__ void multiply(const uint32_t* in, uint32_t* out)
{
    uint32_t a[4];
    uint32_t b[2];
    float d[4];
    for (int i = 0; i < 4; ++i) {
        a[i] = input(in, i);
        d[i] = float_input(in, 6 + i);
    }
    for (int i = 0; i < 2; ++i) {
        b[i] = input(in, 4 + i);
    }
    mma_16x8x16<E>(d, a, b);
    for (int i = 0; i < 4; ++i) {
        output(out, i, d[i]);
    }
}

extern "C" __global__ void mma_bf16(const uint32_t* in, uint32_t* out)
{
    multiply<Bf16>(in, out);
}

extern "C" __global__ void mma_half(const uint32_t* in, uint32_t* out)
{
    multiply<Half>(in, out);
}

// in: the 16 bytes of the row that this lane brings.
template <bool TRANS>
__device__ __forceinline__ void load_fragments(const uint32_t* in, uint32_t* out)
{
    __shared__ __align__(16) uint32_t rows[32][4];
    for (int i = 0; i < 4; ++i) {
        rows[threadIdx.x][i] = input(in, i);
    }
    __syncthreads();
    uint32_t registers[4];
    ldmatrix_x4<TRANS>(registers, rows[threadIdx.x]);
    for (int i = 0; i < 4; ++i) {
        output(out, i, registers[i]);
    }
}

extern "C" __global__ void ldmatrix(const uint32_t* in, uint32_t* out)
{
    load_fragments<false>(in, out);
}

extern "C" __global__ void ldmatrix_transposed(const uint32_t* in, uint32_t* out)
{
    load_fragments<true>(in, out);
}

// ---------------------------------------------------------------- asynchronous copies

// in [threads, 2] and out the same: what its neighbour copied, if the neighbour's number is even.
extern "C" __global__ void async_copies_of_8(const uint32_t* in, uint32_t* out)
{
    __shared__ uint2 copied[32];
    const int thread = threadIdx.x;
    copy_async_8(&copied[thread], reinterpret_cast<const uint2*>(in) + thread, thread % 2 == 0);
    copy_async_commit();
    copy_async_wait<0>();
    __syncthreads();
    reinterpret_cast<uint2*>(out)[thread] = copied[thread ^ 1];
}

// in [threads, 4] and out [2, threads, 4]: each thread copies its 16 bytes twice, the second time
// only where its number is even, and gives back what its neighbour copied.
extern "C" __global__ void async_copies(const uint32_t* in, uint32_t* out)
{
    __shared__ uint4 copied[2][32];
    const int thread = threadIdx.x;
    const uint4* source = reinterpret_cast<const uint4*>(in) + thread;
    uint4* target = reinterpret_cast<uint4*>(out);
    copy_async_16(&copied[0][thread], source, true);
    copy_async_commit();
    copy_async_16(&copied[1][thread], source, thread % 2 == 0);
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
    target[thread] = copied[0][thread ^ 1];
    copy_async_wait<0>();
    __syncthreads();
    target[32 + thread] = copied[1][thread ^ 1];
}
