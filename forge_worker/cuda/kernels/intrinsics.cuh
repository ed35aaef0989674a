// What the lanes of a warp and the threads of a block do together, and the few instructions of the
// tensor cores that have no C++ name: mma, ldmatrix and cp.async.
//
// Layouts of fragments are those of the PTX manual: lane l is group g = l / 4, place t = l % 4, and
// a register holds two neighbouring 16-bit elements. Each instruction has a second body for the
// emulator (tests/cuda_emulator), whose lanes must give what the hardware's give. Knows no kernel.
#pragma once

#include "elements.cuh"

constexpr int WARP_THREADS = 32;
constexpr uint32_t ALL_LANES = 0xffffffffu;

// ---------------------------------------------------------------- sums and maxima

// Every lane gets the sum, and the same one: a butterfly adds in the same order in all lanes.
__device__ __forceinline__ float warp_sum(float value)
{
#pragma unroll
    for (int distance = WARP_THREADS / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    }
    return value;
}

__device__ __forceinline__ float warp_max(float value)
{
#pragma unroll
    for (int distance = WARP_THREADS / 2; distance > 0; distance /= 2) {
        value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, distance));
    }
    return value;
}

// Of a block with exactly THREADS threads along x; every thread gets the sum. It has a barrier at
// its end too, so that it may be called again at once.
template <int THREADS>
__device__ __forceinline__ float block_sum(float value)
{
    constexpr int NUM_WARPS = THREADS / WARP_THREADS;
    static_assert(THREADS % WARP_THREADS == 0, "whole warps");
    __shared__ float of_warps[NUM_WARPS];
    value = warp_sum(value);
    if (threadIdx.x % WARP_THREADS == 0) {
        of_warps[threadIdx.x / WARP_THREADS] = value;
    }
    __syncthreads();
    float sum = 0.0f;
#pragma unroll
    for (int warp = 0; warp < NUM_WARPS; ++warp) {
        sum += of_warps[warp];
    }
    __syncthreads();
    return sum;
}

template <int THREADS>
__device__ __forceinline__ float block_max(float value)
{
    constexpr int NUM_WARPS = THREADS / WARP_THREADS;
    static_assert(THREADS % WARP_THREADS == 0, "whole warps");
    __shared__ float of_warps[NUM_WARPS];
    value = warp_max(value);
    if (threadIdx.x % WARP_THREADS == 0) {
        of_warps[threadIdx.x / WARP_THREADS] = value;
    }
    __syncthreads();
    float greatest = of_warps[0];
#pragma unroll
    for (int warp = 1; warp < NUM_WARPS; ++warp) {
        greatest = fmaxf(greatest, of_warps[warp]);
    }
    __syncthreads();
    return greatest;
}

// ---------------------------------------------------------------- arithmetic

// 2 to the power of x in one instruction, wrong by at most 2 in the last place of a float.
__device__ __forceinline__ float fast_exp2(float x)
{
#ifdef FORGE_EMULATOR
    return exp2f(x);
#else
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
    return power;
#endif
}

// Four bytes of the eight of `low` and `high`: the nibbles of SELECTOR say which, the lowest first.
template <int SELECTOR>
__device__ __forceinline__ uint32_t byte_permute(uint32_t low, uint32_t high)
{
#ifdef FORGE_EMULATOR
    const uint64_t both = static_cast<uint64_t>(high) << 32 | low;
    uint32_t chosen = 0;
    for (int i = 0; i < 4; ++i) {
        chosen |= (both >> 8 * (SELECTOR >> 4 * i & 7) & 0xff) << 8 * i;
    }
    return chosen;
#else
    return __byte_perm(low, high, SELECTOR);
#endif
}

// ---------------------------------------------------------------- tensor cores

// d[16, 8] += a[16, 16] · b[16, 8] with sums in float.
//   a: register i, element e: row g + 8 (i % 2), column 2t + 8 (i / 2) + e
//   b: register i, element e: row 2t + 8i + e, column g
//   d: register i:            row g + 8 (i / 2), column 2t + i % 2
template <class E>
__device__ __forceinline__ void mma_16x8x16(float (&d)[4], const uint32_t (&a)[4],
                                            const uint32_t (&b)[2])
#ifdef FORGE_EMULATOR
{
    emulator::multiply_16x8x16<E>(d, a, b);
}
#else
    ;

template <>
__device__ __forceinline__ void mma_16x8x16<Bf16>(float (&d)[4], const uint32_t (&a)[4],
                                                  const uint32_t (&b)[2])
{
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

template <>
__device__ __forceinline__ void mma_16x8x16<Half>(float (&d)[4], const uint32_t (&a)[4],
                                                  const uint32_t (&b)[2])
{
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

// Four 8x8 matrices of 16-bit elements from shared memory. Lane 8m + r brings the address,
// divisible by 16, of row r of matrix m. Register m gets elements (g, 2t) and (g, 2t + 1) of matrix
// m; with TRANS those at (2t, g) and (2t + 1, g).
template <bool TRANS>
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&registers)[4], const void* row)
{
#ifdef FORGE_EMULATOR
    emulator::load_matrices<TRANS>(registers, row);
#else
    const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    uint32_t& r0 = registers[0];
    uint32_t& r1 = registers[1];
    uint32_t& r2 = registers[2];
    uint32_t& r3 = registers[3];
    if (TRANS) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r0), "=r"(r1), "=r"(r2), "=r"(r3)
                     : "r"(address)
                     : "memory");
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r0), "=r"(r1), "=r"(r2), "=r"(r3)
                     : "r"(address)
                     : "memory");
    }
#endif
}

// ---------------------------------------------------------------- asynchronous copies

// 16 bytes from global to shared memory, both addresses divisible by 16; zeros, and nothing is
// read, when the bytes are not wanted. They are there after the wait that covers them, for this
// thread, and after a barrier behind it for the block.
__device__ __forceinline__ void copy_async_16(void* shared, const void* global, bool is_wanted)
{
#ifdef FORGE_EMULATOR
    emulator::start_copy({shared, global, is_wanted, 16});
#else
    const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
    const int num_bytes = is_wanted ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(address), "l"(global), "r"(num_bytes)
                 : "memory");
#endif
}

// The same of 8 bytes, both addresses divisible by 8.
__device__ __forceinline__ void copy_async_8(void* shared, const void* global, bool is_wanted)
{
#ifdef FORGE_EMULATOR
    emulator::start_copy({shared, global, is_wanted, 8});
#else
    const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
    const int num_bytes = is_wanted ? 8 : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;"
                 :
                 : "r"(address), "l"(global), "r"(num_bytes)
                 : "memory");
#endif
}

// Makes one group of the copies this thread started since the last commit.
__device__ __forceinline__ void copy_async_commit()
{
#ifdef FORGE_EMULATOR
    emulator::commit_copies();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Until at most N of this thread's groups, the latest, are still on their way.
template <int N>
__device__ __forceinline__ void copy_async_wait()
{
#ifdef FORGE_EMULATOR
    emulator::wait_for_copies(N);
#else
    asm volatile("cp.async.wait_group %0;" : : "n"(N) : "memory");
#endif
}
