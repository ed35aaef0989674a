// What a warp does with its rows of a tile, see attention_tile.cu: scores, weights, and the sums of
// values, in the fragments of mma.
#pragma once

#include "attention.cuh"

#if HEAD_DIM % 16 != 0
#error "attention_tile works on 16 numbers of a head at a time; attention_scalar takes any 8"
#endif

#if !defined(ROWS) || !defined(QUERIES) || !defined(KEYS)
#error "attention_tile needs ROWS, QUERIES and KEYS"
#endif

constexpr int WARPS = 4;
constexpr int THREADS = WARPS * WARP_THREADS;
constexpr int MIN_BLOCKS = 2;  // on a multiprocessor; the compiler would spill to have more
constexpr int WARP_ROWS = ROWS / WARPS;
constexpr int ROW_TILES = WARP_ROWS / 16;
constexpr int STRIDE = HEAD_DIM + 8;  // of rows in shared memory
constexpr int VECTORS = HEAD_DIM / 8;
constexpr int KEY_TILES = KEYS / 8;
constexpr int DIM_TILES = HEAD_DIM / 8;

static_assert(QUERIES >= 1 && QUERIES * GROUP <= ROWS, "queries fit the rows of a tile");
static_assert(ROWS % (16 * WARPS) == 0 && KEYS % 16 == 0, "fragments have 16 rows");

// ---------------------------------------------------------------- what a block works on

struct Tile {
    Cache cache;
    int kv_head;
    int first_token;     // in the step
    int first_position;  // in the sequence
    int num_queries;
    int window;

    // Keys that any of the tile's queries sees.
    __device__ __forceinline__ Range keys() const
    {
        return {seen_from(first_position, window).begin, first_position + num_queries};
    }
};

struct SharedTiles {
    ELEMENT* queries;  // [ROWS, STRIDE]
    ELEMENT* keys;     // [KEYS, STRIDE]
    ELEMENT* values;   // [KEYS, STRIDE]
    void* waiting;     // [KEYS, HEAD_DIM] of what is cached in bytes
};

// ---------------------------------------------------------------- what a warp works on

// Rows group and group + 8 of every row tile of the warp, as mma leaves them in a lane.
struct Rows {
    int first;  // of the warp, in the tile
    int lane;

    __device__ __forceinline__ int row(int row_tile, int half) const
    {
        return first + 16 * row_tile + lane / 4 + 8 * half;
    }

    // Of the first of a lane's two columns in a tile of 8.
    __device__ __forceinline__ int column() const
    {
        return lane % 4 * 2;
    }
};

struct Sums {
    float highest[ROW_TILES][2];
    float weights[ROW_TILES][2];  // of the keys in this lane's columns
    float attended[ROW_TILES][DIM_TILES][4];

    __device__ __forceinline__ void clear()
    {
#pragma unroll
        for (int m = 0; m < ROW_TILES; ++m) {
            highest[m][0] = highest[m][1] = minus_infinity();
            weights[m][0] = weights[m][1] = 0.0f;
#pragma unroll
            for (int n = 0; n < DIM_TILES; ++n) {
                attended[m][n][0] = attended[m][n][1] = 0.0f;
                attended[m][n][2] = attended[m][n][3] = 0.0f;
            }
        }
    }
};

using Scores = float[ROW_TILES][KEY_TILES][4];

// Lane 8m + r brings row r of matrix m to ldmatrix. These are the offsets of that row for a 16x16
// factor whose matrices lie above each other first (queries, and transposed values), or beside each
// other first (keys).
__device__ __forceinline__ int offset_rows_first(int lane)
{
    return lane % 16 * STRIDE + lane / 16 * 8;
}

__device__ __forceinline__ int offset_columns_first(int lane)
{
    return (lane / 16 * 8 + lane % 8) * STRIDE + lane / 8 % 2 * 8;
}

__device__ __forceinline__ void multiply_keys(Scores& scores, const SharedTiles& shared,
                                              const Rows& rows)
{
    const ELEMENT* queries = shared.queries + rows.first * STRIDE + offset_rows_first(rows.lane);
    const ELEMENT* keys = shared.keys + offset_columns_first(rows.lane);
#pragma unroll
    for (int dim = 0; dim < HEAD_DIM; dim += 16) {
        uint32_t a[ROW_TILES][4];
#pragma unroll
        for (int m = 0; m < ROW_TILES; ++m) {
            ldmatrix_x4<false>(a[m], queries + 16 * m * STRIDE + dim);
        }
#pragma unroll
        for (int n = 0; n < KEY_TILES; n += 2) {
            uint32_t b[4];
            ldmatrix_x4<false>(b, keys + 8 * n * STRIDE + dim);
            const uint32_t first[2] = {b[0], b[1]};
            const uint32_t second[2] = {b[2], b[3]};
#pragma unroll
            for (int m = 0; m < ROW_TILES; ++m) {
                mma_16x8x16<ELEMENT>(scores[m][n], a[m], first);
                mma_16x8x16<ELEMENT>(scores[m][n + 1], a[m], second);
            }
        }
    }
}

// Products become scores, and -inf where the row's query does not see the key.
__device__ __forceinline__ void score_rows(Scores& scores, const Tile& tile, const Rows& rows,
                                           int first_key, const Scoring& scoring)
{
#pragma unroll
    for (int m = 0; m < ROW_TILES; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int position = tile.first_position + rows.row(m, half) / GROUP;
            const Range seen = seen_from(position, tile.window);
#pragma unroll
            for (int i = 0; i < 2 * KEY_TILES; ++i) {
                const int key = first_key + i / 2 * 8 + rows.column() + i % 2;
                float& score = scores[m][i / 2][2 * half + i % 2];
                score = seen.has(key) ? scoring.score(score) : minus_infinity();
            }
        }
    }
}

// Every query of the warp sees every key of the tile, so that no score is to be masked.
__device__ __forceinline__ bool is_all_seen(const Tile& tile, const Rows& rows, int first_key)
{
    const int first_position = tile.first_position + rows.first / GROUP;
    const int last_position = tile.first_position + (rows.first + WARP_ROWS - 1) / GROUP;
    return first_key + KEYS <= first_position + 1 &&
           first_key >= seen_from(last_position, tile.window).begin;
}

// A row lies in four neighbouring lanes.
__device__ __forceinline__ float highest_of_row(float value)
{
    value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, 1));
    return fmaxf(value, __shfl_xor_sync(ALL_LANES, value, 2));
}

__device__ __forceinline__ float sum_of_row(float value)
{
    value += __shfl_xor_sync(ALL_LANES, value, 1);
    return value + __shfl_xor_sync(ALL_LANES, value, 2);
}

// Turns the scores of rows `half` of row tile m into weights, in place.
__device__ __forceinline__ void weigh(float (&scores)[KEY_TILES][4], Sums& sums, int m, int half,
                                      const Scoring& scoring)
{
    float reached = sums.highest[m][half];
#pragma unroll
    for (int n = 0; n < KEY_TILES; ++n) {
        reached = fmaxf(reached, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
    }
    reached = highest_of_row(reached);
    const float highest = finite_highest(reached);
    const float scale = scoring.rescale(sums.highest[m][half], highest);
    sums.highest[m][half] = reached;
#pragma unroll
    for (int n = 0; n < DIM_TILES; ++n) {
        sums.attended[m][n][2 * half] *= scale;
        sums.attended[m][n][2 * half + 1] *= scale;
    }
    float weights = 0.0f;
#pragma unroll
    for (int i = 0; i < 2 * KEY_TILES; ++i) {
        float& score = scores[i / 2][2 * half + i % 2];
        score = scoring.weight(score, highest);
        weights += score;
    }
    // Spelled out, so that a row is rounded in the same way wherever in a tile it stands.
    sums.weights[m][half] = __fmaf_rn(sums.weights[m][half], scale, weights);
}

__device__ __forceinline__ void add_values(Sums& sums, const Scores& weights,
                                           const SharedTiles& shared, const Rows& rows)
{
    const ELEMENT* values = shared.values + offset_rows_first(rows.lane);
#pragma unroll
    for (int key = 0; key < KEYS; key += 16) {
        uint32_t a[ROW_TILES][4];
#pragma unroll
        for (int m = 0; m < ROW_TILES; ++m) {
            const float(&left)[4] = weights[m][key / 8];
            const float(&right)[4] = weights[m][key / 8 + 1];
            a[m][0] = pack2<ELEMENT>(left[0], left[1]);
            a[m][1] = pack2<ELEMENT>(left[2], left[3]);
            a[m][2] = pack2<ELEMENT>(right[0], right[1]);
            a[m][3] = pack2<ELEMENT>(right[2], right[3]);
        }
#pragma unroll
        for (int n = 0; n < DIM_TILES; n += 2) {
            uint32_t b[4];
            ldmatrix_x4<true>(b, values + key * STRIDE + 8 * n);
            const uint32_t first[2] = {b[0], b[1]};
            const uint32_t second[2] = {b[2], b[3]};
#pragma unroll
            for (int m = 0; m < ROW_TILES; ++m) {
                mma_16x8x16<ELEMENT>(sums.attended[m][n], a[m], first);
                mma_16x8x16<ELEMENT>(sums.attended[m][n + 1], a[m], second);
            }
        }
    }
}

__device__ __forceinline__ void write_rows(const Sums& sums, ELEMENT* out, const Tile& tile,
                                           const Rows& rows)
{
    const int num_heads = gridDim.x * GROUP;
#pragma unroll
    for (int i = 0; i < 2 * ROW_TILES; ++i) {
        const int m = i / 2;
        const int half = i % 2;
        const float inverse = __fdividef(1.0f, sum_of_row(sums.weights[m][half]));
        const int row = rows.row(m, half);
        if (row >= tile.num_queries * GROUP) {
            continue;
        }
        const int64_t token = tile.first_token + row / GROUP;
        const int64_t head = token * num_heads + tile.kv_head * GROUP + row % GROUP;
        ELEMENT* target = out + head * HEAD_DIM + rows.column();
#pragma unroll
        for (int n = 0; n < DIM_TILES; ++n) {
            const float(&attended)[4] = sums.attended[m][n];
            *reinterpret_cast<uint32_t*>(target + 8 * n) = pack2<ELEMENT>(
                attended[2 * half] * inverse, attended[2 * half + 1] * inverse);
        }
    }
}
