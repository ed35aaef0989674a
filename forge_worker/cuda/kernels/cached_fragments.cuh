// Cached keys and values straight from global memory to the fragments of mma, in 16 bytes a lane
// where the size of a head allows it. For attention_single.cu, which says why their order is free.
#pragma once

#include "attention.cuh"

#if HEAD_DIM % 16 != 0
#error "attention_single works on 16 numbers of a head at a time; attention_scalar takes any 8"
#endif

constexpr int KEY_REGISTERS = HEAD_DIM / 8;     // a token's numbers lie in 4 lanes
constexpr int VALUE_REGISTERS = HEAD_DIM / 16;  // a token's numbers lie in 8 lanes

// The lane's place in fragments, as the PTX manual has them.
struct Lane {
    int group;  // 0..7
    int place;  // 0..3
};

__device__ __forceinline__ Lane this_lane()
{
    const int lane = threadIdx.x % WARP_THREADS;
    return {lane / 4, lane % 4};
}

__device__ __forceinline__ void load_registers(uint32_t* registers, const uint4* address)
{
    const uint4 loaded = __ldcs(address);
    registers[0] = loaded.x;
    registers[1] = loaded.y;
    registers[2] = loaded.z;
    registers[3] = loaded.w;
}

__device__ __forceinline__ void load_registers(uint32_t* registers, const uint2* address)
{
    const uint2 loaded = __ldcs(address);
    registers[0] = loaded.x;
    registers[1] = loaded.y;
}

// A fourth of a row of HEAD_DIM numbers: 8 of every 32, then 4 of the 16 that may be left.
__device__ __forceinline__ void load_fourth(uint32_t (&registers)[KEY_REGISTERS],
                                            const ELEMENT* row, int place)
{
    const uint4* eights = reinterpret_cast<const uint4*>(row) + place;
#pragma unroll
    for (int dim = 0; dim + 32 <= HEAD_DIM; dim += 32) {
        load_registers(&registers[dim / 8], eights + dim / 8);
    }
    if (HEAD_DIM % 32 != 0) {
        constexpr int rest = HEAD_DIM / 32 * 32;
        const uint2* fours = reinterpret_cast<const uint2*>(row) + place;
        load_registers(&registers[rest / 8], fours + rest / 4);
    }
}

// An eighth of a row: 8 of every 64, then 4 of 32 and 2 of 16 where so many are left.
__device__ __forceinline__ void load_eighth(uint32_t (&registers)[VALUE_REGISTERS],
                                            const ELEMENT* row, int group)
{
    const uint4* eights = reinterpret_cast<const uint4*>(row) + group;
#pragma unroll
    for (int dim = 0; dim + 64 <= HEAD_DIM; dim += 64) {
        load_registers(&registers[dim / 16], eights + dim / 8);
    }
    if (HEAD_DIM % 64 >= 32) {
        constexpr int rest = HEAD_DIM / 64 * 64;
        const uint2* fours = reinterpret_cast<const uint2*>(row) + group;
        load_registers(&registers[rest / 16], fours + rest / 4);
    }
    if (HEAD_DIM % 32 != 0) {
        constexpr int rest = HEAD_DIM / 32 * 32;
        const uint32_t* twos = reinterpret_cast<const uint32_t*>(row) + group;
        registers[rest / 16] = __ldcs(twos + rest / 2);
    }
}

// Which number of the head is the first of the two in register `index` of load_eighth.
__device__ __forceinline__ int dim_of_register(int index, int group)
{
    const int dim = index * 16;
    if (dim < HEAD_DIM / 64 * 64) {
        return dim / 64 * 64 + 8 * group + dim % 64 / 8;
    }
    if (dim < HEAD_DIM / 32 * 32) {
        return HEAD_DIM / 64 * 64 + 4 * group + dim % 32 / 8;
    }
    return HEAD_DIM / 32 * 32 + 2 * group;
}

template <int COUNT>
__device__ __forceinline__ void clear(uint32_t (&registers)[COUNT])
{
#pragma unroll
    for (int i = 0; i < COUNT; ++i) {
        registers[i] = 0u;
    }
}

__device__ __forceinline__ uint32_t low_halves(uint32_t first, uint32_t second)
{
    return (first & 0xffffu) | (second << 16);
}

__device__ __forceinline__ uint32_t high_halves(uint32_t first, uint32_t second)
{
    return (first >> 16) | (second & 0xffff0000u);
}
