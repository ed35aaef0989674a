// Numbers of one byte with a scale beside each row of them: Fp8 and Int8, how they are widened to
// what tensor cores take, and how they are rounded.
//
// A row is a number of the format times the scale, which has the precision of ELEMENT: so widening
// is one multiply-add for two numbers, rounded once. Formats bring their bits to the place where
// Bf16 or Half has them by shifts and masks, on every GPU the same. A row with a number that is
// not finite has the scale NaN, so that nothing of it is finite. Knows no cache.
#pragma once

#include "intrinsics.cuh"

// Fp8 is E4M3 (Micikevicius and others 2022): a sign, 4 bits of exponent, 3 of mantissa; read with
// the exponent's bias of float16, 15 where the form itself says 7. So the largest number is 1.75,
// and a Half has the same bits with zeros behind them; a Bf16 has them three places lower, and is
// 2^-112 of it. Both are right below the normal numbers, too.
struct Fp8 {
    uint8_t bits;
};

// A sign and a magnitude up to 127: set into the mantissa of 128, it is 128 more than it should be.
struct Int8 {
    uint8_t bits;
};

constexpr uint32_t SIGNS = 0x80008000u;
constexpr uint32_t NOT_FINITE_BITS = 0x7f800000u;  // the least of a magnitude that is not
constexpr float LARGEST_SCALE = 65280.0f;          // times 2^112 it is still a Bf16

__device__ __forceinline__ uint32_t magnitude_bits(float value)
{
    return __float_as_uint(value) & 0x7fffffffu;
}

__device__ __forceinline__ uint32_t sign_of_byte(float value)
{
    return __float_as_uint(value) >> 24 & 0x80u;
}

// Two bytes of four, the first two or the last, each with a byte of zeros below it.
__device__ __forceinline__ uint32_t to_upper_bytes(uint32_t four, bool is_last)
{
    return is_last ? byte_permute<0x3424>(four, 0u) : byte_permute<0x1404>(four, 0u);
}

// Where the types of tensor cores have what a byte says.
template <class E>
struct BitsOf;

template <>
struct BitsOf<Half> {
    static constexpr float FP8_UNIT = 1.0f;  // what spread_fp8 is to be multiplied by

    static __device__ __forceinline__ uint32_t spread_fp8(uint32_t upper)
    {
        return (upper & SIGNS) | (upper >> 1 & 0x3f803f80u);
    }

    static __device__ __forceinline__ uint32_t spread_int8(uint32_t upper)
    {
        return 0x58005800u | (upper >> 5 & 0x03f803f8u);
    }
};

template <>
struct BitsOf<Bf16> {
    static constexpr float FP8_UNIT = 5.192296858534828e33f;  // 2^112

    static __device__ __forceinline__ uint32_t spread_fp8(uint32_t upper)
    {
        return (upper & SIGNS) | (upper >> 4 & 0x07f007f0u);
    }

    static __device__ __forceinline__ uint32_t spread_int8(uint32_t upper)
    {
        return 0x43004300u | (upper >> 8 & 0x007f007fu);
    }
};

template <class C>
struct RowFormat;

template <>
struct RowFormat<Fp8> {
    static constexpr float LARGEST = 1.75f;

    // Of a row, for numbers of the type E.
    template <class E>
    struct Widening {
        uint32_t factors;

        __device__ __forceinline__ explicit Widening(float scale)
            : factors(pack2<E>(scale * BitsOf<E>::FP8_UNIT, scale * BitsOf<E>::FP8_UNIT))
        {
        }

        __device__ __forceinline__ uint32_t widen2(uint32_t four, bool is_last) const
        {
            const uint32_t pair = BitsOf<E>::spread_fp8(to_upper_bytes(four, is_last));
            return multiply_add2<E>(pair, factors, SIGNS);  // minus zeros change nothing
        }
    };

    // To nearest, ties to even, at most LARGEST.
    static __device__ __forceinline__ uint32_t code(float value)
    {
        constexpr uint32_t exponents_below = (127 - 15) << 3;  // that a float has, and this has not
        constexpr float smallest_normal = 6.103515625e-05f;    // 2^-14
        constexpr float rounder = 64.0f;  // 2^23 steps of 2^-17: a sum with it is of whole steps
        const uint32_t magnitude = magnitude_bits(value);
        const uint32_t rounded = magnitude + 0x7ffffu + (magnitude >> 20 & 1u);
        uint32_t code = (rounded >> 20) - exponents_below;
        if (__uint_as_float(magnitude) < smallest_normal) {
            const float steps = __fadd_rn(__uint_as_float(magnitude), rounder);
            code = __float_as_uint(steps) - __float_as_uint(rounder);
        }
        return min(code, 0x7eu) | sign_of_byte(value);  // 0x7f is no number
    }
};

template <>
struct RowFormat<Int8> {
    static constexpr float LARGEST = 127.0f;

    template <class E>
    struct Widening {
        uint32_t factors;
        uint32_t excess;

        __device__ __forceinline__ explicit Widening(float scale)
            : factors(pack2<E>(scale, scale)), excess(pack2<E>(-128.0f * scale, -128.0f * scale))
        {
        }

        __device__ __forceinline__ uint32_t widen2(uint32_t four, bool is_last) const
        {
            const uint32_t upper = to_upper_bytes(four, is_last);
            const uint32_t pair =
                multiply_add2<E>(BitsOf<E>::spread_int8(upper), factors, excess);
            return pair ^ (upper & SIGNS);
        }
    };

    static __device__ __forceinline__ uint32_t code(float value)
    {
        constexpr float rounder = 8388608.0f;  // 2^23: a sum with it is whole
        const float magnitude = fminf(__uint_as_float(magnitude_bits(value)), LARGEST);
        return (__float_as_uint(__fadd_rn(magnitude, rounder)) & 0x7fu) | sign_of_byte(value);
    }
};

// `largest_bits`: the greatest magnitude_bits of the row.
template <class C, class E>
__device__ __forceinline__ float scale_of_row(uint32_t largest_bits)
{
    if (largest_bits >= NOT_FINITE_BITS) {
        return __uint_as_float(0x7fc00000u);
    }
    const float scale = __uint_as_float(largest_bits) / RowFormat<C>::LARGEST;
    return to_float(from_float<E>(fminf(scale, LARGEST_SCALE)));
}

// What a row is multiplied by before its numbers are rounded.
__device__ __forceinline__ float inverse_of_scale(float scale)
{
    return scale == 0.0f ? 0.0f : 1.0f / scale;
}

template <class C>
__device__ __forceinline__ uint32_t codes_of_four(const float* values, float factor)
{
    uint32_t codes = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        codes |= RowFormat<C>::code(values[i] * factor) << 8 * i;
    }
    return codes;
}

// Numbers of both formats are exact in a Half.
template <class C>
__device__ __forceinline__ void widen8(const uint2& eight, float scale, float (&values)[8])
{
    const typename RowFormat<C>::template Widening<Half> widening(1.0f);
    const uint32_t fours[2] = {eight.x, eight.y};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float2 pair = unpack2<Half>(widening.widen2(fours[i / 2], i % 2 == 1));
        values[2 * i] = pair.x * scale;
        values[2 * i + 1] = pair.y * scale;
    }
}
