// A key or a value on its way to its slot of the cache, for rotary.cu; where the cache has bytes,
// rounded: WIDTH numbers of each half of the row lie in each of LANES neighbouring lanes.
#pragma once

#include "cached.cuh"
#include "vectors.cuh"

static_assert(!HAS_SCALES || HEAD_DIM / 2 <= LANES * WIDTH, "a lane has all of its numbers at once");
static_assert(!HAS_SCALES || WIDTH % 4 == 0, "four bytes are one register");

// One token's place in a tile.
struct CachedRow {
    CACHED* tile;
    int token;

    __device__ __forceinline__ CACHED* numbers() const { return tile + token * HEAD_DIM; }
};

// Of the row that the lanes of a head have. All lanes of the warp must call it.
template <class C>
__device__ __forceinline__ float scale_over_head(const float (&low)[WIDTH],
                                                 const float (&high)[WIDTH])
{
    uint32_t largest = 0u;
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
        largest = max(largest, max(magnitude_bits(low[i]), magnitude_bits(high[i])));
    }
#pragma unroll
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        largest = max(largest, __shfl_xor_sync(ALL_LANES, largest, distance));
    }
    return scale_of_row<C, ELEMENT>(largest);
}

template <class C>
__device__ __forceinline__ void store_codes(C* address, const float (&values)[WIDTH], float factor)
{
#pragma unroll
    for (int i = 0; i < WIDTH; i += 4) {
        *reinterpret_cast<uint32_t*>(address + i) = codes_of_four<C>(values + i, factor);
    }
}

// `first`: which of each half's numbers are the lane's.
template <class C>
__device__ __forceinline__ void store_bytes(const CachedRow& row, int first, float scale,
                                            const float (&low)[WIDTH], const float (&high)[WIDTH])
{
    const float factor = inverse_of_scale(scale);
    store_codes<C>(row.numbers() + first, low, factor);
    store_codes<C>(row.numbers() + HEAD_DIM / 2 + first, high, factor);
    if (first == 0) {
        reinterpret_cast<float*>(row.tile + TILE_NUMBERS)[row.token] = scale;
    }
}
