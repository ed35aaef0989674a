// Four neighbouring logits: what a thread loads at once, and what one call of Philox has noise for.
#pragma once

#include "row_status.cuh"

constexpr int QUAD = 4;

struct Quad {
    float logits[QUAD];
};

// Tokens first .. first + 3 of a row; beyond its end there is -inf. Rows of a multiple of four are
// aligned for one load.
__device__ __forceinline__ Quad load_quad(const float* row, int first, int vocab_size)
{
    Quad quad;
    if (vocab_size % QUAD == 0 && first < vocab_size) {
        const float4 vector = *reinterpret_cast<const float4*>(row + first);
        quad.logits[0] = vector.x;
        quad.logits[1] = vector.y;
        quad.logits[2] = vector.z;
        quad.logits[3] = vector.w;
        return quad;
    }
#pragma unroll
    for (int lane = 0; lane < QUAD; ++lane) {
        quad.logits[lane] = first + lane < vocab_size ? row[first + lane] : minus_infinity();
    }
    return quad;
}
