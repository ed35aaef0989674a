// The number formats of weights, activations and cached keys and values: Bf16, Half and float.
//
// A kernel is written once for an element type E: it loads E, computes in float, and stores E, each
// rounded to nearest, ties to even. Eight elements move at a time, which is what one thread can
// load at once of the 16-bit types. Knows no model and no kernel.
//
// There is no CUDA header here: what little inline PTX is needed stands below, and on the emulator
// (tests/cuda_emulator) the same functions are plain C++.
#pragma once

#ifndef FORGE_EMULATOR
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef int int32_t;
typedef unsigned long long uint64_t;
typedef long long int64_t;
#endif

struct Bf16 {
    uint16_t bits;
};

struct Half {
    uint16_t bits;
};

// ---------------------------------------------------------------- one element

__device__ __forceinline__ float to_float(float value)
{
    return value;
}

// bfloat16 is the upper half of a float.
__device__ __forceinline__ float to_float(Bf16 value)
{
    return __uint_as_float(static_cast<uint32_t>(value.bits) << 16);
}

__device__ __forceinline__ float to_float(Half value)
{
#ifdef FORGE_EMULATOR
    return emulator::half_to_float(value.bits);
#else
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
    return wide;
#endif
}

__device__ __forceinline__ uint16_t bfloat16_bits(float value)
{
#ifdef FORGE_EMULATOR
    return emulator::float_to_bfloat16(value);
#else
    uint16_t bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#endif
}

__device__ __forceinline__ uint16_t half_bits(float value)
{
#ifdef FORGE_EMULATOR
    return emulator::float_to_half(value);
#else
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#endif
}

template <class E>
__device__ __forceinline__ E from_float(float value);

template <>
__device__ __forceinline__ float from_float<float>(float value)
{
    return value;
}

template <>
__device__ __forceinline__ Bf16 from_float<Bf16>(float value)
{
    return Bf16{bfloat16_bits(value)};
}

template <>
__device__ __forceinline__ Half from_float<Half>(float value)
{
    return Half{half_bits(value)};
}

// ---------------------------------------------------------------- two elements in a register

// `low` in the lower half: the neighbour with the smaller index, as fragments of mma hold them.
template <class E>
__device__ __forceinline__ uint32_t pack2(float low, float high)
{
    return from_float<E>(low).bits | static_cast<uint32_t>(from_float<E>(high).bits) << 16;
}

#ifndef FORGE_EMULATOR
template <>
__device__ __forceinline__ uint32_t pack2<Bf16>(float low, float high)
{
    uint32_t pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}

template <>
__device__ __forceinline__ uint32_t pack2<Half>(float low, float high)
{
    uint32_t pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}
#endif

template <class E>
__device__ __forceinline__ float2 unpack2(uint32_t pair)
{
    const E low{static_cast<uint16_t>(pair)};
    const E high{static_cast<uint16_t>(pair >> 16)};
    return make_float2(to_float(low), to_float(high));
}

// a · b + c of two elements each, rounded once.
template <class E>
__device__ __forceinline__ uint32_t multiply_add2(uint32_t a, uint32_t b, uint32_t c)
#ifdef FORGE_EMULATOR
{
    const float2 x = unpack2<E>(a);
    const float2 y = unpack2<E>(b);
    const float2 z = unpack2<E>(c);
    return pack2<E>(fmaf(x.x, y.x, z.x), fmaf(x.y, y.y, z.y));
}
#else
    ;

template <>
__device__ __forceinline__ uint32_t multiply_add2<Bf16>(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t pair;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(pair) : "r"(a), "r"(b), "r"(c));
    return pair;
}

template <>
__device__ __forceinline__ uint32_t multiply_add2<Half>(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t pair;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(pair) : "r"(a), "r"(b), "r"(c));
    return pair;
}
#endif

// ---------------------------------------------------------------- eight elements

template <class E>
__device__ __forceinline__ void unpack8(uint4 packed, float (&values)[8])
{
    const uint32_t pairs[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float2 pair = unpack2<E>(pairs[i]);
        values[2 * i] = pair.x;
        values[2 * i + 1] = pair.y;
    }
}

__device__ __forceinline__ void unpack8(float4 low, float4 high, float (&values)[8])
{
    values[0] = low.x;
    values[1] = low.y;
    values[2] = low.z;
    values[3] = low.w;
    values[4] = high.x;
    values[5] = high.y;
    values[6] = high.z;
    values[7] = high.w;
}

// `address` must be divisible by 16, also below.
template <class E>
__device__ __forceinline__ void load8(const E* address, float (&values)[8])
{
    unpack8<E>(*reinterpret_cast<const uint4*>(address), values);
}

__device__ __forceinline__ void load8(const float* address, float (&values)[8])
{
    const float4* vectors = reinterpret_cast<const float4*>(address);
    unpack8(vectors[0], vectors[1], values);
}

// For what is read once and should not push anything out of the cache, such as cached keys.
template <class E>
__device__ __forceinline__ void load8_streaming(const E* address, float (&values)[8])
{
    unpack8<E>(__ldcs(reinterpret_cast<const uint4*>(address)), values);
}

__device__ __forceinline__ void load8_streaming(const float* address, float (&values)[8])
{
    const float4* vectors = reinterpret_cast<const float4*>(address);
    unpack8(__ldcs(vectors), __ldcs(vectors + 1), values);
}

template <class E>
__device__ __forceinline__ void store8(E* address, const float (&values)[8])
{
    uint4 packed;
    packed.x = pack2<E>(values[0], values[1]);
    packed.y = pack2<E>(values[2], values[3]);
    packed.z = pack2<E>(values[4], values[5]);
    packed.w = pack2<E>(values[6], values[7]);
    *reinterpret_cast<uint4*>(address) = packed;
}

__device__ __forceinline__ void store8(float* address, const float (&values)[8])
{
    float4* vectors = reinterpret_cast<float4*>(address);
    vectors[0] = make_float4(values[0], values[1], values[2], values[3]);
    vectors[1] = make_float4(values[4], values[5], values[6], values[7]);
}
