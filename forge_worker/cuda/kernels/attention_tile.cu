// Attention of prompt chunks: many queries of a sequence at once, on tensor cores (Bf16 or Half),
// in the form of FlashAttention-2 (Dao 2023): tiles of keys pass by a tile of queries, whose
// softmax is computed online and whose sums stay in registers.
//
// Grid: (KV heads, tiles); block: 128 threads. A row of a tile is a pair of a query and one of the
// GROUP query heads of the block's KV head. A tile has QUERIES queries, all heads of each: keys and
// values are read once for all of them, and a chunk of few queries still fills rows. `tiles` names,
// for each, the sequence and its first query; the host orders them, longest context first, so that
// blocks end together.
//
// A warp owns 16 or 32 rows. With 32, every fragment of keys and values that it fetches from shared
// memory meets two fragments of queries; with 16, shared memory (128 bytes a cycle and
// multiprocessor) would be the limit at about 470 TFLOP/s on an H100, below what mma.sync can do.
// At HEAD_DIM 256 the sums of 32 rows do not fit the registers.
//
// Keys and values have one buffer each and take turns: while scores are computed, values are on
// their way (cp.async), and while those are used, the next keys. Rows of shared memory are 16 bytes
// longer than a head, an odd number of 16s, so that ldmatrix meets no bank twice.
//
// Sums of a row are over tiles of keys that begin at multiples of KEYS, upwards; a tile that a row
// does not see changes nothing in it. So a row's bits do not depend on where its chunk was cut.
//
// At D = 128 a warp spends 192 mma on a tile of 48 keys, some 1200 cycles of its tensor core, and
// about 800 other instructions, as compiled for sm_90; two warps share a scheduler, so that one
// multiplies while the other works on its softmax. mma.sync reaches about 60 % of what the H100's
// own wgmma could do; FlashAttention-2 as published has about 350 TFLOP/s there. A long prefix and
// few queries are this kernel's weak side: keys are not split among blocks.
//
// Constants: those of attention.cuh, and of a tile
//   ROWS     64 or 128
//   QUERIES  at most ROWS / GROUP
//   KEYS     a multiple of 16
#include "attention_tile_copies.cuh"
#include "attention_tile_warp.cuh"

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
    Incoming<CACHED> incoming(shared.waiting);
    incoming.start(shared.keys, tile.cache.keys, tile.cache, seen, first_key);
    copy_async_commit();
    for (; first_key < seen.end; first_key += KEYS) {
        copy_async_wait<0>();
        incoming.finish(shared.keys);
        __syncthreads();  // the keys are there, and nobody needs the values of before
        incoming.start(shared.values, tile.cache.values, tile.cache, seen, first_key);
        copy_async_commit();
        Scores scores;
        if (has_rows) {
            compute_scores(scores, shared, tile, rows, first_key, scoring);
        }
        copy_async_wait<0>();
        incoming.finish(shared.values);
        __syncthreads();  // the values are there, and nobody needs these keys
        if (first_key + KEYS < seen.end) {
            incoming.start(shared.keys, tile.cache.keys, tile.cache, seen, first_key + KEYS);
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
    attention_tile(const ELEMENT* query, int query_stride, const CACHED* keys,
                   const CACHED* values, ELEMENT* out, const int* counts, const int2* tiles,
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
                                tiles_in_shared + (ROWS + KEYS) * STRIDE,
                                tiles_in_shared + (ROWS + 2 * KEYS) * STRIDE};
    const int warp = threadIdx.x / WARP_THREADS;
    const Rows rows = {warp * WARP_ROWS, static_cast<int>(threadIdx.x) % WARP_THREADS};
    Sums sums;
    sums.clear();
    load_queries(shared.queries, query, query_stride, tile);
    attend(sums, shared, tile, rows, {scale, cap});
    write_rows(sums, out, tile, rows);
}
