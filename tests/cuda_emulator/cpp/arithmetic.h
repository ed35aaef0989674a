// Built-in arithmetic. The C library's functions stand in for the GPU's, whose last bits differ.
#pragma once

#include <math.h>
#include <string.h>

#include "vector_types.h"

inline uint32_t __float_as_uint(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float __uint_as_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

inline int __float_as_int(float value)
{
    return static_cast<int>(__float_as_uint(value));
}

inline float __int_as_float(int bits)
{
    return __uint_as_float(static_cast<uint32_t>(bits));
}

inline float rsqrtf(float x)
{
    return 1.0f / sqrtf(x);
}

inline float __expf(float x)
{
    return expf(x);
}

inline float __logf(float x)
{
    return logf(x);
}

inline float __fdividef(float a, float b)
{
    return a / b;
}

inline float __frcp_rn(float x)
{
    return 1.0f / x;
}

inline float __fmaf_rn(float a, float b, float c)
{
    return fmaf(a, b, c);
}

// These are never contracted to a fused multiply-add.
__attribute__((optimize("fp-contract=off"), noinline)) inline float __fmul_rn(float a, float b)
{
    return a * b;
}

__attribute__((optimize("fp-contract=off"), noinline)) inline float __fadd_rn(float a, float b)
{
    return a + b;
}

inline float __uint2float_rn(unsigned value)
{
    return static_cast<float>(value);
}

inline float __int2float_rn(int value)
{
    return static_cast<float>(value);
}

inline int __popc(uint32_t bits)
{
    return __builtin_popcount(bits);
}

inline int __popcll(unsigned long long bits)
{
    return __builtin_popcountll(bits);
}

inline int __ffs(int bits)
{
    return __builtin_ffs(bits);
}

inline int __clz(int bits)
{
    return bits ? __builtin_clz(static_cast<unsigned>(bits)) : 32;
}

inline int __clzll(long long bits)
{
    return bits ? __builtin_clzll(static_cast<unsigned long long>(bits)) : 64;
}

inline uint32_t __brev(uint32_t bits)
{
    uint32_t reversed = 0;
    for (int i = 0; i < 32; ++i) {
        reversed |= (bits >> i & 1) << (31 - i);
    }
    return reversed;
}

inline uint32_t __umulhi(uint32_t a, uint32_t b)
{
    return static_cast<uint32_t>(static_cast<uint64_t>(a) * b >> 32);
}

inline int min(int a, int b)
{
    return a < b ? a : b;
}

inline int max(int a, int b)
{
    return a > b ? a : b;
}

inline unsigned min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

inline unsigned max(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

inline long long min(long long a, long long b)
{
    return a < b ? a : b;
}

inline long long max(long long a, long long b)
{
    return a > b ? a : b;
}

inline float min(float a, float b)
{
    return fminf(a, b);
}

inline float max(float a, float b)
{
    return fmaxf(a, b);
}
