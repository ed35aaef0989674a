// 16-bit floats, rounded as the hardware rounds: to nearest, ties to even, one kind of NaN.
#pragma once

#include "arithmetic.h"

namespace emulator {

constexpr uint16_t NAN_BITS = 0x7fff;

// The compiler's own type of 16 bits, which has another name on ARM.
#if defined(__aarch64__)
typedef __fp16 Binary16;
#else
typedef _Float16 Binary16;
#endif

inline uint16_t float_to_bfloat16(float value)
{
    if (value != value) {
        return NAN_BITS;
    }
    const uint32_t bits = __float_as_uint(value);
    return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline uint16_t float_to_half(float value)
{
    if (value != value) {
        return NAN_BITS;
    }
    const Binary16 narrow = static_cast<Binary16>(value);
    uint16_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    return bits;
}

inline float half_to_float(uint16_t bits)
{
    Binary16 narrow;
    memcpy(&narrow, &bits, sizeof narrow);
    return static_cast<float>(narrow);
}

}  // namespace emulator
