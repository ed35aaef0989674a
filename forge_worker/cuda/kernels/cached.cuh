// How the keys, or the values, that one KV head has in one block lie in the cache:
//
//     [BLOCK_SIZE, HEAD_DIM] numbers of the type CACHED
//     Fp8 and Int8: [BLOCK_SIZE] float scales; then nothing up to a multiple of 16 bytes
//
// CACHED is ELEMENT, or Fp8 or Int8 with ELEMENT for all else. Knows no attention.
#pragma once

#include "row_formats.cuh"

#if !defined(CACHED) || !defined(HEAD_DIM) || !defined(BLOCK_SIZE)
#error "the cache needs CACHED, HEAD_DIM and BLOCK_SIZE"
#endif

constexpr bool HAS_SCALES = sizeof(CACHED) == 1;
constexpr int TILE_NUMBERS = BLOCK_SIZE * HEAD_DIM;

// From a head's numbers to the next head's, counted in numbers.
constexpr int TILE_STRIDE =
    HAS_SCALES ? (TILE_NUMBERS + 4 * BLOCK_SIZE + 15) / 16 * 16 : TILE_NUMBERS;

static_assert(!HAS_SCALES || HEAD_DIM % 8 == 0, "bytes are read 8 at a time");

// What is known of a token's numbers beside them: `tile` is the first number of the tile.
template <class C>
__device__ __forceinline__ float scale_of_token(const C* tile, int token_in_block)
{
    if constexpr (HAS_SCALES) {
        const C* scales = tile + TILE_NUMBERS;
        return __ldg(reinterpret_cast<const float*>(scales) + token_in_block);
    }
    return 1.0f;
}
