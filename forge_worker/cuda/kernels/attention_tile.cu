// Attention of prompt chunks: many queries of a sequence at once, on tensor cores (Bf16 or Half), in
// the form of FlashAttention-2 (Dao 2023): tiles of keys pass by a tile of queries, whose softmax is
// computed online and whose sums stay in registers.
//
// Grid: (KV heads, tiles); block: 128 threads. A row of a tile is a pair of a query and one of the
// GROUP query heads of the block's KV head. A tile has QUERIES queries, all heads of each: keys and
// values are read once for all of them, and a chunk of few queries still fills rows. `tiles` names,
// for each, the sequence and its first query; the host orders them, longest context first, so that
// blocks end together.
//
// A warp owns 16 or 32 rows. With 32, every fragment of keys and values that it fetches from shared
// memory meets two fragments of queries; with 16, shared memory (128 bytes a cycle and
// multiprocessor) would be the limit at about 470 TFLOP/s on an H100, below what mma.sync can do. At
// HEAD_DIM 256 the sums of 32 rows do not fit the registers.
//
// Keys and values have one buffer each and take turns: while scores are computed, values are on their
// way (cp.async), and while those are used, the next keys. Rows of shared memory are 16 bytes longer
// than a head, an odd number of 16s, so that ldmatrix meets no bank twice.
//
// Sums of a row are over tiles of keys that begin at multiples of KEYS, upwards; a tile that a row
// does not see changes nothing in it. So a row's bits do not depend on where its chunk was cut.
//
// At D = 128 a warp spends 192 mma on a tile of 48 keys, some 1200 cycles of its tensor core, and
// about 800 other instructions, as compiled for sm_90; two warps share a scheduler, so that one
// multiplies while the other works on its softmax. mma.sync reaches about 60 % of what the H100's own
// wgmma could do; FlashAttention-2 as published has about 350 TFLOP/s there. A long prefix and few
// queries are this kernel's weak side: keys are not split among blocks.
//
// Constants: those of attention.cuh, and of a tile
//   ROWS     64 or 128
//   QUERIES  at most ROWS / GROUP
//   KEYS     a multiple of 16
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
};

// Which 16 bytes of which rows this thread copies. A thread keeps its column, so that from one row
// to the next addresses grow by constants; where rows have 10 or 12 columns, some threads have none.
struct Copier {
    int first_row;
    int dim;

    static constexpr int STEP = THREADS / VECTORS;  // rows

    __device__ __forceinline__ Copier()
        : first_row(threadIdx.x / VECTORS), dim(threadIdx.x % VECTORS * 8)
    {
        if (first_row >= STEP) {
            first_row = max(ROWS, KEYS);
        }
    }
};

// Rows beyond the queries become zeros.
__device__ __forceinline__ void load_queries(ELEMENT* target, const ELEMENT* query,
                                             int query_stride, const Tile& tile)
{
    const Copier copier;
    for (int row = copier.first_row; row < ROWS; row += Copier::STEP) {
        const bool is_wanted = row < tile.num_queries * GROUP;
        const int64_t token = tile.first_token + (is_wanted ? row / GROUP : 0);
        const int head = tile.kv_head * GROUP + row % GROUP;
        copy_async_16(target + row * STRIDE + copier.dim,
                      query + token * query_stride + head * HEAD_DIM + copier.dim, is_wanted);
    }
}

// KEYS tokens of the cached keys or values, from `first`; tokens that nobody sees become zeros.
__device__ __forceinline__ void load_cached(ELEMENT* target, const ELEMENT* cached,
                                            const Cache& cache, const Range& seen, int first)
{
    const Copier copier;
#pragma unroll 2
    for (int row = copier.first_row; row < KEYS; row += Copier::STEP) {
        const bool is_wanted = seen.has(first + row);
        const int64_t offset = is_wanted ? cache.offset(first + row) : 0;
        copy_async_16(target + row * STRIDE + copier.dim, cached + offset + copier.dim, is_wanted);
    }
}

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
    const float scale = scoring.weight(sums.highest[m][half], highest);
    sums.highest[m][half] = reached;
    sums.weights[m][half] *= scale;
#pragma unroll
    for (int n = 0; n < DIM_TILES; ++n) {
        sums.attended[m][n][2 * half] *= scale;
        sums.attended[m][n][2 * half + 1] *= scale;
    }
#pragma unroll
    for (int i = 0; i < 2 * KEY_TILES; ++i) {
        float& score = scores[i / 2][2 * half + i % 2];
        score = scoring.weight(score, highest);
        sums.weights[m][half] += score;
    }
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

// ---------------------------------------------------------------- the kernel

// The scores of one tile of keys; its values are on their way meanwhile.
__device__ __forceinline__ void compute_scores(Scores& scores, const SharedTiles& shared,
                                               const Tile& tile, const Rows& rows, int first_key,
                                               const Scoring& scoring)
{
#pragma unroll
    for (int i = 0; i < ROW_TILES * KEY_TILES * 4; ++i) {
        scores[i / (KEY_TILES * 4)][i / 4 % KEY_TILES][i % 4] = 0.0f;
    }
    multiply_keys(scores, shared, rows);
    if (HAS_SOFTCAP || !is_all_seen(tile, rows, first_key)) {
        score_rows(scores, tile, rows, first_key, scoring);
    }
}

__device__ __forceinline__ void attend(Sums& sums, const SharedTiles& shared, const Tile& tile,
                                       const Rows& rows, const Scoring& scoring)
{
    const Range seen = tile.keys();
    const bool has_rows = rows.first < tile.num_queries * GROUP;
    int first_key = seen.begin / KEYS * KEYS;
    load_cached(shared.keys, tile.cache.keys, tile.cache, seen, first_key);
    copy_async_commit();
    for (; first_key < seen.end; first_key += KEYS) {
        copy_async_wait<0>();
        __syncthreads();  // the keys are there, and nobody needs the values of before
        load_cached(shared.values, tile.cache.values, tile.cache, seen, first_key);
        copy_async_commit();
        Scores scores;
        if (has_rows) {
            compute_scores(scores, shared, tile, rows, first_key, scoring);
        }
        copy_async_wait<0>();
        __syncthreads();  // the values are there, and nobody needs these keys
        if (first_key + KEYS < seen.end) {
            load_cached(shared.keys, tile.cache.keys, tile.cache, seen, first_key + KEYS);
            copy_async_commit();
        }
        if (has_rows) {
#pragma unroll
            for (int i = 0; i < 2 * ROW_TILES; ++i) {
                weigh(scores[i / 2], sums, i / 2, i % 2, scoring);
            }
            add_values(sums, scores, shared, rows);
        }
    }
}

// query: [tokens, query heads, HEAD_DIM], tokens query_stride numbers apart; out: the same, without
// gaps. Tiles of sequences beyond the live ones, and tiles beyond a chunk, are padding.
extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    attention_tile(const ELEMENT* query, int query_stride, const ELEMENT* keys,
                   const ELEMENT* values, ELEMENT* out, const int* counts, const int2* tiles,
                   const int* query_starts, const int* context_lens, const int* sequence_rows,
                   const int* block_tables, int max_blocks, int window, float scale, float cap)
{
    extern __shared__ __align__(128) unsigned char shared_memory[];
    const int sequence = tiles[blockIdx.y].x;
    const int first_query = tiles[blockIdx.y].y;
    if (sequence >= counts[1]) {
        return;
    }
    const int first_of_chunk = query_starts[sequence];
    const int chunk_len = query_starts[sequence + 1] - first_of_chunk;
    if (first_query >= chunk_len) {
        return;
    }

    const int* blocks = block_tables + int64_t(sequence_rows[sequence]) * max_blocks;
    const int kv_head = blockIdx.x;
    const Tile tile = {Cache(keys, values, blocks, gridDim.x, kv_head),
                       kv_head,
                       first_of_chunk + first_query,
                       context_lens[sequence] - chunk_len + first_query,
                       min(QUERIES, chunk_len - first_query),
                       window};
    ELEMENT* tiles_in_shared = reinterpret_cast<ELEMENT*>(shared_memory);
    const SharedTiles shared = {tiles_in_shared, tiles_in_shared + ROWS * STRIDE,
                                tiles_in_shared + (ROWS + KEYS) * STRIDE};
    const int warp = threadIdx.x / WARP_THREADS;
    const Rows rows = {warp * WARP_ROWS, static_cast<int>(threadIdx.x) % WARP_THREADS};
    Sums sums;
    sums.clear();
    load_queries(shared.queries, query, query_stride, tile);
    attend(sums, shared, tile, rows, {scale, cap});
    write_rows(sums, out, tile, rows);
}
