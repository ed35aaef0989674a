// Some neighbouring elements at once, as floats: as wide a memory access as their number allows.
//
// Eight of a 16-bit type, or four floats, are one access of 16 bytes. Numbers that 4 does not
// divide go one by one: only models made for tests have such shapes. Addresses must be divisible by
// the size of one access. Knows no kernel.
#pragma once

#include "elements.cuh"

template <class E>
__device__ __forceinline__ void load4(const E* address, float (&values)[4])
{
    const uint2 packed = *reinterpret_cast<const uint2*>(address);
    const float2 low = unpack2<E>(packed.x);
    const float2 high = unpack2<E>(packed.y);
    values[0] = low.x;
    values[1] = low.y;
    values[2] = high.x;
    values[3] = high.y;
}

__device__ __forceinline__ void load4(const float* address, float (&values)[4])
{
    const float4 vector = *reinterpret_cast<const float4*>(address);
    values[0] = vector.x;
    values[1] = vector.y;
    values[2] = vector.z;
    values[3] = vector.w;
}

template <class E>
__device__ __forceinline__ void store4(E* address, const float (&values)[4])
{
    uint2 packed;
    packed.x = pack2<E>(values[0], values[1]);
    packed.y = pack2<E>(values[2], values[3]);
    *reinterpret_cast<uint2*>(address) = packed;
}

__device__ __forceinline__ void store4(float* address, const float (&values)[4])
{
    *reinterpret_cast<float4*>(address) = make_float4(values[0], values[1], values[2], values[3]);
}

template <class E, int N>
__device__ __forceinline__ void load_vector(const E* address, float (&values)[N])
{
    if constexpr (N % 8 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 8) {
            load8(address + i, reinterpret_cast<float(&)[8]>(values[i]));
        }
    } else if constexpr (N % 4 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 4) {
            load4(address + i, reinterpret_cast<float(&)[4]>(values[i]));
        }
    } else {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            values[i] = to_float(address[i]);
        }
    }
}

template <class E, int N>
__device__ __forceinline__ void store_vector(E* address, const float (&values)[N])
{
    if constexpr (N % 8 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 8) {
            store8(address + i, reinterpret_cast<const float(&)[8]>(values[i]));
        }
    } else if constexpr (N % 4 == 0) {
#pragma unroll
        for (int i = 0; i < N; i += 4) {
            store4(address + i, reinterpret_cast<const float(&)[4]>(values[i]));
        }
    } else {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            address[i] = from_float<E>(values[i]);
        }
    }
}
