// mma and ldmatrix, by the layouts of the PTX manual (its sections on mma.m16n8k16 and ldmatrix).
//
// In all of them lane l stands for group g = l / 4 and place t = l % 4, and a 32-bit register holds
// two neighbouring 16-bit elements, the lower one in the lower half.
#pragma once

#include <string.h>

#include "warp.h"

namespace emulator {

// These instructions are for whole warps.
inline void check_whole_warp(uint32_t mask)
{
    if (mask != ALL_LANES) {
        refuse("an instruction for a whole warp, some of whose lanes have returned",
               __builtin_ctz(mask));
    }
}

struct Product {
    float* d;
    const uint32_t* a;
    const uint32_t* b;
};

template <class E>
EMULATOR_SERVES inline float element(uint32_t pair, int which)
{
    return to_float(E{static_cast<uint16_t>(which ? pair >> 16 : pair)});
}

// Eight neighbouring columns, for which the processor has registers.
typedef float Columns __attribute__((vector_size(32)));

// d[16, 8] += a[16, 16] · b[16, 8].
//   a: register i, element e: row g + 8 (i % 2), column 2t + 8 (i / 2) + e
//   b: register i, element e: row 2t + 8i + e, column g
//   d: register i:            row g + 8 (i / 2), column 2t + i % 2
template <class E>
EMULATOR_SERVES void serve_product(void* const requests[WARP_SIZE], uint32_t mask)
{
    check_whole_warp(mask);
    float a[16][16];
    Columns b[16];
    for (int lane = 0; lane < 32; ++lane) {
        const auto* mine = static_cast<const Product*>(requests[lane]);
        const int group = lane / 4;
        const int pair = lane % 4 * 2;
        for (int e = 0; e < 2; ++e) {
            for (int i = 0; i < 4; ++i) {
                a[group + 8 * (i % 2)][pair + 8 * (i / 2) + e] = element<E>(mine->a[i], e);
            }
            for (int i = 0; i < 2; ++i) {
                b[pair + 8 * i + e][group] = element<E>(mine->b[i], e);
            }
        }
    }
    for (int row = 0; row < 16; ++row) {
        Columns sums = {};
        for (int k = 0; k < 16; ++k) {
            sums += a[row][k] * b[k];
        }
        for (int column = 0; column < 8; ++column) {
            const int lane = row % 8 * 4 + column / 2;
            static_cast<Product*>(requests[lane])->d[row / 8 * 2 + column % 2] += sums[column];
        }
    }
}

template <class E>
__forceinline__ void multiply_16x8x16(float* d, const uint32_t* a, const uint32_t* b)
{
    Product request{d, a, b};
    meet_warp("mma", ALL_LANES, &request, serve_product<E>);
}

struct MatrixLoad {
    const void* row;
    uint32_t* registers;
};

inline void check_row(const void* row, unsigned lane)
{
    if (reinterpret_cast<uintptr_t>(row) % 16 != 0) {
        refuse("misaligned access: a row for ldmatrix is not aligned to 16 bytes", lane);
    }
    if (!is_shared(row)) {
        refuse("ldmatrix reads outside shared memory", lane);
    }
}

// Four 8x8 matrices of 16-bit elements. Lane 8m + r brings the address of row r of matrix m, and
// gets in register m elements (g, 2t) and (g, 2t + 1) of it; transposed, (2t, g) and (2t + 1, g).
template <bool IS_TRANSPOSED>
EMULATOR_SERVES void serve_matrix_load(void* const requests[WARP_SIZE], uint32_t mask)
{
    check_whole_warp(mask);
    uint16_t matrices[4][8][8];
    for (unsigned lane = 0; lane < WARP_SIZE; ++lane) {
        const void* row = static_cast<MatrixLoad*>(requests[lane])->row;
        check_row(row, lane);
        memcpy(matrices[lane / 8][lane % 8], row, 16);
    }
    for (int lane = 0; lane < 32; ++lane) {
        const int group = lane / 4;
        const int pair = lane % 4 * 2;
        for (int m = 0; m < 4; ++m) {
            const auto& matrix = matrices[m];
            const uint32_t low = IS_TRANSPOSED ? matrix[pair][group] : matrix[group][pair];
            const uint32_t high = IS_TRANSPOSED ? matrix[pair + 1][group] : matrix[group][pair + 1];
            static_cast<MatrixLoad*>(requests[lane])->registers[m] = low | high << 16;
        }
    }
}

template <bool IS_TRANSPOSED>
__forceinline__ void load_matrices(uint32_t* registers, const void* row)
{
    MatrixLoad request{row, registers};
    meet_warp("ldmatrix", ALL_LANES, &request, serve_matrix_load<IS_TRANSPOSED>);
}

}  // namespace emulator
