// CUDA's keywords and its small vector types, as plain C++.
//
// `__shared__` becomes thread_local: a thread_local variable inside a function has the lifetime
// that shared memory needs, and all of them lie together in one segment, which the scheduler can
// find and fill with NaN before each block (shared_memory.cpp).
#pragma once

#include <stddef.h>
#include <stdint.h>

#define __global__ __attribute__((used))
#define __device__
#define __host__
#define __constant__ static
#define __shared__ thread_local
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...) [[emulator::launch_bounds(__VA_ARGS__)]]
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __restrict__ __restrict

#define EMULATOR_VECTOR_2(NAME, TYPE, BYTES)             \
    struct alignas(BYTES) NAME##2 {                      \
        TYPE x, y;                                       \
    };                                                   \
    static inline NAME##2 make_##NAME##2(TYPE x, TYPE y) \
    {                                                    \
        return {x, y};                                   \
    }

#define EMULATOR_VECTOR_4(NAME, TYPE, BYTES)                             \
    struct alignas(BYTES) NAME##4 {                                      \
        TYPE x, y, z, w;                                                 \
    };                                                                   \
    static inline NAME##4 make_##NAME##4(TYPE x, TYPE y, TYPE z, TYPE w) \
    {                                                                    \
        return {x, y, z, w};                                             \
    }

EMULATOR_VECTOR_2(float, float, 8)
EMULATOR_VECTOR_2(double, double, 16)
EMULATOR_VECTOR_2(int, int, 8)
EMULATOR_VECTOR_2(uint, unsigned, 8)
EMULATOR_VECTOR_2(ushort, unsigned short, 4)
EMULATOR_VECTOR_2(longlong, long long, 16)
EMULATOR_VECTOR_4(float, float, 16)
EMULATOR_VECTOR_4(int, int, 16)
EMULATOR_VECTOR_4(uint, unsigned, 16)
EMULATOR_VECTOR_4(ushort, unsigned short, 8)

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
