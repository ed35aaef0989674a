// Weights in blocks, as the device keeps them: numbers of 8, 6 or 4 bits, and their scales.
//
// A row is groups of 128 numbers, the last one filled up with zeros. What a group consists of lies
// in planes, each for all rows and their groups:
//
//          plane of integers                        planes behind it, a group
//   Q8_0   2 · 4 · 16 bytes, n + 128                4 f16 scales
//   Q4_0   4 · 16 bytes, n + 8                      4 f16 scales
//   Q4_K   4 · 16 bytes                             of two groups: 16 bytes: f16 d, f16 dmin, and
//                                                   scales and least values as ggml packs them
//   Q6_K   4 · 16 bytes, bits 3-0 of n + 32         4 · 8 bytes, bits 5-4; 8 scales of 8 bits;
//                                                   of two groups: f16 d
//   I4_R   4 · 16 bytes                             of each R numbers a word: bits 31-8 of a float,
//                                                   the scale; zero point
//   E4M3_128   2 · 4 · 16 bytes                     float scale
//
// Of each 32 numbers that share a place in the fragments of mma, member t of four lanes has numbers
// 8t .. 8t + 7 (skinny.cu). Its numbers of a whole group are its own 16 bytes, one piece or two:
//
//   8 bits   | n0 … n7 of the first 32 | n0 … n7 of the next 32 |
//   4 bits   | n0|n4 n1|n5 n2|n6 n3|n7 of the first 32 | of the next | of the third | of the fourth |
//            the former in the low half of the byte
//   2 bits   | byte i: of ni and n(i + 4) of the first 32, of those of the next, from the lowest
//            bits on; four such bytes | the same of the third and the fourth |
//
// So a warp loads neighbouring pieces of 16 bytes, each once. The numbers that come out are those of
// quantization/, exactly: every product here is exact in float (a scale has 11 bits, one times six
// or eight bits 19, an integer at most 8), and so is every fma, which takes away what the integer's
// own bits were added to.
#pragma once

#include "elements.cuh"
#include "intrinsics.cuh"

constexpr int GROUP_K = 128;
constexpr int FRAGMENT = 8;     // numbers of one lane
constexpr int FRAGMENT_K = 32;  // of four lanes
constexpr int NUM_FRAGMENTS = GROUP_K / FRAGMENT_K;
constexpr float LIFTED = 32768;  // a byte in the middle of this number's mantissa is added to it

__device__ __forceinline__ const uint4* pieces_of(const uint8_t* memory, int64_t index)
{
    return reinterpret_cast<const uint4*>(memory) + index;
}

// LIFTED + byte i of `bytes`.
template <int I>
__device__ __forceinline__ float lifted(uint32_t bytes)
{
    return __uint_as_float(byte_permute<0x7404 | I << 4>(bytes, 0x47000000u));
}

// Four numbers n = byte - zero, times scale. `shift` is -(LIFTED + zero) · scale, exactly.
__device__ __forceinline__ void scale4(uint32_t bytes, float scale, float shift, float* values)
{
    values[0] = __fmaf_rn(lifted<0>(bytes), scale, shift);
    values[1] = __fmaf_rn(lifted<1>(bytes), scale, shift);
    values[2] = __fmaf_rn(lifted<2>(bytes), scale, shift);
    values[3] = __fmaf_rn(lifted<3>(bytes), scale, shift);
}

__device__ __forceinline__ uint32_t low_nibbles(uint32_t bytes)
{
    return bytes & 0x0f0f0f0fu;
}

__device__ __forceinline__ uint32_t high_nibbles(uint32_t bytes)
{
    return bytes >> 4 & 0x0f0f0f0fu;
}

template <int I>
__device__ __forceinline__ uint32_t word(uint4 piece)
{
    return I == 0 ? piece.x : I == 1 ? piece.y : I == 2 ? piece.z : piece.w;
}

template <int I>
__device__ __forceinline__ float half_of(uint32_t pair)
{
    return to_float(Half{static_cast<uint16_t>(pair >> 16 * I)});
}

// ---------------------------------------------------------------- one scale for 32 numbers

struct Q8_0 {
    uint4 integers[2];
    uint2 scales;

    __device__ __forceinline__ void load(const uint8_t* memory, int64_t num_groups, int64_t group,
                                         int member)
    {
        integers[0] = __ldcs(pieces_of(memory, group * 8 + member));
        integers[1] = __ldcs(pieces_of(memory, group * 8 + 4 + member));
        scales = __ldg(reinterpret_cast<const uint2*>(memory + num_groups * 128) + group);
    }

    template <int I>
    __device__ __forceinline__ void numbers(int, float (&values)[FRAGMENT]) const
    {
        const float scale = half_of<I % 2>(I < 2 ? scales.x : scales.y);
        const float shift = -(LIFTED + 128) * scale;
        scale4(word<I % 2 * 2>(integers[I / 2]), scale, shift, values);
        scale4(word<I % 2 * 2 + 1>(integers[I / 2]), scale, shift, values + 4);
    }
};

struct Q4_0 {
    uint4 integers;
    uint2 scales;

    __device__ __forceinline__ void load(const uint8_t* memory, int64_t num_groups, int64_t group,
                                         int member)
    {
        integers = __ldcs(pieces_of(memory, group * 4 + member));
        scales = __ldg(reinterpret_cast<const uint2*>(memory + num_groups * 64) + group);
    }

    template <int I>
    __device__ __forceinline__ void numbers(int, float (&values)[FRAGMENT]) const
    {
        const float scale = half_of<I % 2>(I < 2 ? scales.x : scales.y);
        const float shift = -(LIFTED + 8) * scale;
        const uint32_t bytes = word<I>(integers);
        scale4(low_nibbles(bytes), scale, shift, values);
        scale4(high_nibbles(bytes), scale, shift, values + 4);
    }
};

// ---------------------------------------------------------------- scales of scales

struct Q4_K {
    uint4 integers;
    uint4 header;  // as in the file: quantization/q4_k.py
    int half;      // of those that share a header

    __device__ __forceinline__ void load(const uint8_t* memory, int64_t num_groups, int64_t group,
                                         int member)
    {
        integers = __ldcs(pieces_of(memory, group * 4 + member));
        header = __ldg(pieces_of(memory, num_groups * 4 + group / 2));
        half = static_cast<int>(group % 2);
    }

    // Of four neighbouring runs of 32, a byte each.
    __device__ __forceinline__ uint32_t six_bits(uint32_t first, uint32_t nibbles) const
    {
        return half ? nibbles | (first >> 2 & 0x30303030u) : first & 0x3f3f3f3fu;
    }

    template <int I>
    __device__ __forceinline__ void numbers(int, float (&values)[FRAGMENT]) const
    {
        const uint32_t scales = six_bits(header.y, low_nibbles(header.w));
        const uint32_t least = six_bits(header.z, high_nibbles(header.w));
        const float scale = (lifted<I>(scales) - LIFTED) * half_of<0>(header.x);
        const float low = (lifted<I>(least) - LIFTED) * half_of<1>(header.x);
        const float shift = -LIFTED * scale;
        const uint32_t bytes = word<I>(integers);
        scale4(low_nibbles(bytes), scale, shift, values);
        scale4(high_nibbles(bytes), scale, shift, values + 4);
#pragma unroll
        for (int i = 0; i < FRAGMENT; ++i) {
            values[i] -= low;
        }
    }
};

struct Q6_K {
    uint4 low;
    uint2 high;
    uint2 scales;
    uint16_t d;

    __device__ __forceinline__ void load(const uint8_t* memory, int64_t num_groups, int64_t group,
                                         int member)
    {
        low = __ldcs(pieces_of(memory, group * 4 + member));
        const uint2* pairs = reinterpret_cast<const uint2*>(memory + num_groups * 64);
        high = __ldcs(pairs + group * 4 + member);
        scales = __ldg(pairs + num_groups * 4 + group);
        d = __ldg(reinterpret_cast<const uint16_t*>(memory + num_groups * 104) + group / 2);
    }

    template <int I>
    __device__ __forceinline__ void numbers(int member, float (&values)[FRAGMENT]) const
    {
        // Each scale is for 16 numbers: two members have the one, two the next.
        const uint32_t pair = (I < 2 ? scales.x : scales.y) >> (I % 2 * 16 + member / 2 * 8);
        const float signed_byte = static_cast<float>(static_cast<int>(pair << 24) >> 24);
        const float scale = to_float(Half{d}) * signed_byte;
        const uint32_t bytes = word<I>(low);
        const uint32_t above = (I < 2 ? high.x : high.y) >> I % 2 * 4;
        scale_signed4(low_nibbles(bytes) | (above << 4 & 0x30303030u), scale, values);
        scale_signed4(high_nibbles(bytes) | (above << 2 & 0x30303030u), scale, values + 4);
    }

    // Not scale4: its shift would need more bits than a float has.
    __device__ static __forceinline__ void scale_signed4(uint32_t bytes, float scale, float* values)
    {
        values[0] = (lifted<0>(bytes) - (LIFTED + 32)) * scale;
        values[1] = (lifted<1>(bytes) - (LIFTED + 32)) * scale;
        values[2] = (lifted<2>(bytes) - (LIFTED + 32)) * scale;
        values[3] = (lifted<3>(bytes) - (LIFTED + 32)) * scale;
    }
};

// ---------------------------------------------------------------- runs: quantization/runs.py

constexpr float LIFTED_HIGH = 128;  // as LIFTED, of bytes 8 bits further up, which are below 128

template <int I>
__device__ __forceinline__ float lifted_high(uint32_t bytes)
{
    return __uint_as_float(byte_permute<0x7044 | I << 8>(bytes, 0x43000000u));
}

// As scale4. The scale has 11 bits, 128 and a zero point 9 together: the shift is exact for each.
__device__ __forceinline__ void scale_high4(uint32_t bytes, float scale, float shift, float* values)
{
    values[0] = __fmaf_rn(lifted_high<0>(bytes), scale, shift);
    values[1] = __fmaf_rn(lifted_high<1>(bytes), scale, shift);
    values[2] = __fmaf_rn(lifted_high<2>(bytes), scale, shift);
    values[3] = __fmaf_rn(lifted_high<3>(bytes), scale, shift);
}

template <int RUN>
struct Integers4 {
    static constexpr int NUM_RUNS = GROUP_K / RUN;

    uint4 integers;
    uint32_t heads[NUM_RUNS];

    __device__ __forceinline__ void load(const uint8_t* memory, int64_t num_groups, int64_t group,
                                         int member)
    {
        integers = __ldcs(pieces_of(memory, group * 4 + member));
        const uint8_t* of_group = memory + num_groups * 64 + group * NUM_RUNS * 4;
        if constexpr (NUM_RUNS == 1) {
            heads[0] = __ldg(reinterpret_cast<const uint32_t*>(of_group));
        } else if constexpr (NUM_RUNS == 2) {
            const uint2 pair = __ldg(reinterpret_cast<const uint2*>(of_group));
            heads[0] = pair.x;
            heads[1] = pair.y;
        } else {
            const uint4 all = __ldg(reinterpret_cast<const uint4*>(of_group));
            heads[0] = all.x;
            heads[1] = all.y;
            heads[2] = all.z;
            heads[3] = all.w;
        }
    }

    template <int I>
    __device__ __forceinline__ void numbers(int, float (&values)[FRAGMENT]) const
    {
        const uint32_t head = heads[I * FRAGMENT_K / RUN];
        const float scale = __uint_as_float(head & 0xffffff00u);
        const float shift = (LIFTED - LIFTED_HIGH - lifted<0>(head)) * scale;
        const uint32_t bytes = word<I>(integers);
        scale_high4(low_nibbles(bytes), scale, shift, values);
        scale_high4(high_nibbles(bytes), scale, shift, values + 4);
    }
};

using I4_32 = Integers4<32>;
using I4_64 = Integers4<64>;
using I4_128 = Integers4<128>;

// No GPU is asked to know E4M3: with a bit more of exponent, its bits are those of a float16, for a
// number 256 times as small. A product with the scale is rounded once.
struct E4M3_128 {
    uint4 floats[2];
    float scale;

    __device__ __forceinline__ void load(const uint8_t* memory, int64_t num_groups, int64_t group,
                                         int member)
    {
        floats[0] = __ldcs(pieces_of(memory, group * 8 + member));
        floats[1] = __ldcs(pieces_of(memory, group * 8 + 4 + member));
        scale = 256 * __ldg(reinterpret_cast<const float*>(memory + num_groups * 128) + group);
    }

    template <int I>
    __device__ __forceinline__ void numbers(int, float (&values)[FRAGMENT]) const
    {
        scale_floats4(word<I % 2 * 2>(floats[I / 2]), values);
        scale_floats4(word<I % 2 * 2 + 1>(floats[I / 2]), values + 4);
    }

    __device__ __forceinline__ void scale_floats4(uint32_t bytes, float* values) const
    {
        const uint32_t first = halves(byte_permute<0x1404>(bytes, 0));
        const uint32_t last = halves(byte_permute<0x3424>(bytes, 0));
        values[0] = half_of<0>(first) * scale;
        values[1] = half_of<1>(first) * scale;
        values[2] = half_of<0>(last) * scale;
        values[3] = half_of<1>(last) * scale;
    }

    // Of bytes in the upper halves of 16 bits.
    __device__ static __forceinline__ uint32_t halves(uint32_t pair)
    {
        return (pair & 0x80008000u) | (pair >> 1 & 0x3f803f80u);
    }
};

// ---------------------------------------------------------------- fragments

// Numbers 32 · I + 8 · member and the seven behind them of a group, as a lane of mma holds them.
template <class E, int I, class Blocks>
__device__ __forceinline__ uint4 fragment(const Blocks& blocks, int member)
{
    float values[FRAGMENT];
    blocks.template numbers<I>(member, values);
    return make_uint4(pack2<E>(values[0], values[1]), pack2<E>(values[2], values[3]),
                      pack2<E>(values[4], values[5]), pack2<E>(values[6], values[7]));
}

__device__ __forceinline__ int groups_of(int size_k)
{
    return (size_k + GROUP_K - 1) / GROUP_K;
}
