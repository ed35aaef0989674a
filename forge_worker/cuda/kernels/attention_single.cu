// Attention of the sequences that run one token, on tensor cores (Bf16 or Half).
//
// Grid: (singles, query heads / HEADS, blocks a query); block: 128 threads. HEADS are all query
// heads of a KV head, as far as their sums fit the registers, so that keys and values are read
// once.
//
// A warp takes every fourth run of 16 tokens and computes, transposed, with heads padded to a
// multiple of 8, two products:
//     scores   [16 tokens, 8 heads] = keys [16 tokens, D] . queries [D, 8 heads]
//     attended [D, 8 heads]        += values [D, 16 tokens] . weights [16 tokens, 8 heads]
// Heads are the narrow side of mma.m16n8k16, since there are few; this halves the sums a thread
// keeps. Keys and values pass through no shared memory: the order of the numbers that are summed
// over is free as long as both factors agree on it, so a lane's fragment of keys is 16 neighbouring
// bytes of the cache. Which of a head's numbers stand in a row of `attended` is free, too; values
// only need their tokens side by side in a register, one instruction for each.
//
// Per 16 tokens and KV head at D = 128: 8 KiB of cache in 16 loads a lane, 16 mma, and about 350
// other instructions (as compiled for sm_90), for up to 8 query heads. In the time an H200's memory
// takes for 8 KiB its multiprocessor can issue some 1600. It has 12 warps in flight, each with 4 to
// 8 KiB on its way (values of this run and keys of the next are asked for before the products),
// where 25 KiB hide the latency of memory. So bandwidth is what should limit this kernel, unless
// tokens are few: then it is the chain of four dependent reads at the start (singles, sequence,
// block table, keys), and the merge of the splits at the end. D = 64 has 4 KiB, 250 instructions
// and 16 warps.
//
// Sums are taken over a warp's tokens upwards, then over warps 0 to 3, then over splits upwards.
//
// Constants: those of attention.cuh, and HEADS, query heads that a block serves.
#include "attention_split.cuh"
#include "cached_fragments.cuh"

constexpr int WARPS = 4;
constexpr int THREADS = WARPS * WARP_THREADS;
constexpr int TILE = 16;  // tokens
constexpr int HEAD_TILES = ceil_div(HEADS, 8);
constexpr int DIM_TILES = HEAD_DIM / 16;
constexpr int QUERY_STRIDE = HEAD_DIM + 32;  // in shared memory, of heads

// Registers of sums, keys and values. The compiler is told how many blocks should fit, or it would
// spill for the sake of one more.
constexpr int FRAGMENTS = HEAD_TILES * 4 * DIM_TILES + 2 * KEY_REGISTERS + 4 * VALUE_REGISTERS;
constexpr int MIN_BLOCKS = FRAGMENTS <= 64 ? 4 : FRAGMENTS <= 96 ? 3 : 2;

static_assert(SPLIT_STEP % (WARPS * TILE) == 0, "every warp has the same share of a split");

// ---------------------------------------------------------------- a warp's share

// Where the 16 tokens of a tile lie: one look into the block table, if blocks are made of tiles.
struct TilePlace {
    int64_t origin;  // of the tile's first token
    int first;

    __device__ __forceinline__ int64_t offset(const Cache& cache, int token) const
    {
        if (BLOCK_SIZE % TILE == 0) {
            return origin + (token - first) * HEAD_DIM;
        }
        return cache.offset(token);
    }

    // `cached`: keys or values.
    __device__ __forceinline__ float scale(const Cache& cache, const CACHED* cached,
                                           int token) const
    {
        if (HAS_SCALES && BLOCK_SIZE % TILE == 0) {
            const int first_in_block = static_cast<unsigned>(first) % BLOCK_SIZE;
            return scale_of_token(cached + origin - first_in_block * HEAD_DIM,
                                  first_in_block + token - first);
        }
        return cache.scale(cached, token);
    }
};

// Parts of TOKENS rows of the cache, as they were loaded.
template <int TOKENS, int WORDS>
struct Loaded {
    uint32_t words[TOKENS][WORDS];
    float scales[TOKENS];

    template <int REGISTERS>
    __device__ __forceinline__ void widen_into(uint32_t (&registers)[TOKENS][REGISTERS]) const
    {
#pragma unroll
        for (int token = 0; token < TOKENS; ++token) {
            widen<CACHED>(registers[token], words[token], scales[token]);
        }
    }

    __device__ __forceinline__ void clear(int token)
    {
        ::clear(words[token]);
        scales[token] = 0.0f;
    }
};

using LoadedKeys = Loaded<2, KEY_WORDS>;
using LoadedValues = Loaded<4, VALUE_WORDS>;

struct Share {
    Cache cache;
    Range tokens;  // that are seen, of this split
    Lane lane;

    __device__ __forceinline__ TilePlace place(int tile) const
    {
        if (BLOCK_SIZE % TILE == 0 && tile < tokens.end) {
            return {cache.offset(tile), tile};
        }
        return {0, tile};
    }

    // Tokens group and group + 8 of the tile; zeros for those that are not seen.
    __device__ __forceinline__ void load_keys(LoadedKeys& keys, const TilePlace& tile) const
    {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int token = tile.first + lane.group + 8 * half;
            if (tokens.has(token)) {
                load_fourth(keys.words[half], cache.keys + tile.offset(cache, token), lane.place);
                keys.scales[half] = tile.scale(cache, cache.keys, token);
            } else {
                keys.clear(half);
            }
        }
    }

    // Tokens 2 place, 2 place + 1, and the same plus 8.
    __device__ __forceinline__ void load_values(LoadedValues& values, const TilePlace& tile) const
    {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int token = tile.first + 2 * lane.place + i % 2 + 8 * (i / 2);
            if (tokens.has(token)) {
                load_eighth(values.words[i], cache.values + tile.offset(cache, token), lane.group);
                values.scales[i] = tile.scale(cache, cache.values, token);
            } else {
                values.clear(i);
            }
        }
    }
};

// What a warp knows of its tokens: heads 2 place and 2 place + 1 of every tile of 8 heads.
struct Sums {
    float highest[HEAD_TILES][2];
    float weights[HEAD_TILES][2];  // of the tokens that this lane has seen
    float attended[HEAD_TILES][DIM_TILES][4];

    __device__ __forceinline__ void clear()
    {
#pragma unroll
        for (int n = 0; n < HEAD_TILES; ++n) {
            highest[n][0] = highest[n][1] = minus_infinity();
            weights[n][0] = weights[n][1] = 0.0f;
#pragma unroll
            for (int m = 0; m < DIM_TILES; ++m) {
                attended[n][m][0] = attended[n][m][1] = 0.0f;
                attended[n][m][2] = attended[n][m][3] = 0.0f;
            }
        }
    }

    // Makes room for scores up to `reached`: what is known so far is scaled down.
    __device__ __forceinline__ void raise(int n, int head, float reached, const Scoring& scoring)
    {
        const float raised = fmaxf(highest[n][head], reached);
        const float scale = scoring.rescale(highest[n][head], finite_highest(raised));
        highest[n][head] = raised;
        weights[n][head] *= scale;
#pragma unroll
        for (int m = 0; m < DIM_TILES; ++m) {
            attended[n][m][head] *= scale;
            attended[n][m][2 + head] *= scale;
        }
    }
};

__device__ __forceinline__ float highest_of_groups(float value)
{
#pragma unroll
    for (int distance = 4; distance < WARP_THREADS; distance *= 2) {
        value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, distance));
    }
    return value;
}

__device__ __forceinline__ float sum_of_groups(float value)
{
#pragma unroll
    for (int distance = 4; distance < WARP_THREADS; distance *= 2) {
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    }
    return value;
}

// Two steps of 16 numbers for the 16 tokens and 8 heads of a tile.
__device__ __forceinline__ void multiply_32(float (&scores)[4],
                                            const uint32_t (&keys)[2][KEY_REGISTERS], int first,
                                            const uint4& query)
{
    const uint32_t a[4] = {keys[0][first], keys[1][first], keys[0][first + 1], keys[1][first + 1]};
    const uint32_t b[2] = {query.x, query.y};
    mma_16x8x16<ELEMENT>(scores, a, b);
    const uint32_t c[4] = {keys[0][first + 2], keys[1][first + 2], keys[0][first + 3],
                           keys[1][first + 3]};
    const uint32_t d[2] = {query.z, query.w};
    mma_16x8x16<ELEMENT>(scores, c, d);
}

// query: the lane's head, in shared memory.
__device__ __forceinline__ void multiply_keys(float (&scores)[4],
                                              const uint32_t (&keys)[2][KEY_REGISTERS],
                                              const ELEMENT* query, int place)
{
#pragma unroll
    for (int dim = 0; dim + 32 <= HEAD_DIM; dim += 32) {
        multiply_32(scores, keys, dim / 8,
                    *reinterpret_cast<const uint4*>(query + dim + 8 * place));
    }
    if (HEAD_DIM % 32 != 0) {
        constexpr int rest = HEAD_DIM / 32 * 32;
        const uint2 pair = *reinterpret_cast<const uint2*>(query + rest + 4 * place);
        const uint32_t a[4] = {keys[0][rest / 8], keys[1][rest / 8], keys[0][rest / 8 + 1],
                               keys[1][rest / 8 + 1]};
        const uint32_t b[2] = {pair.x, pair.y};
        mma_16x8x16<ELEMENT>(scores, a, b);
    }
}

// Turns products into weights, in place.
__device__ __forceinline__ void weigh(float (&scores)[4], Sums& sums, int n, const Share& share,
                                      int tile, const Scoring& scoring)
{
    const bool is_seen[2] = {share.tokens.has(tile + share.lane.group),
                             share.tokens.has(tile + share.lane.group + 8)};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        scores[i] = is_seen[i / 2] ? scoring.score(scores[i]) : minus_infinity();
    }
#pragma unroll
    for (int head = 0; head < 2; ++head) {
        const float reached = highest_of_groups(fmaxf(scores[head], scores[2 + head]));
        sums.raise(n, head, reached, scoring);
        const float highest = finite_highest(sums.highest[n][head]);
        scores[head] = scoring.weight(scores[head], highest);
        scores[2 + head] = scoring.weight(scores[2 + head], highest);
        sums.weights[n][head] += scores[head] + scores[2 + head];
    }
}

// From [8 tokens, 8 heads] as mma leaves them, two heads in a register, to mma's second factor, two
// tokens in a register.
__device__ __forceinline__ uint32_t transposed(uint32_t two_heads, const Lane& lane)
{
    const int source = 8 * lane.place + lane.group / 2;
    const uint32_t first = __shfl_sync(ALL_LANES, two_heads, source);
    const uint32_t second = __shfl_sync(ALL_LANES, two_heads, source + 4);
    return lane.group % 2 == 0 ? low_halves(first, second) : high_halves(first, second);
}

__device__ __forceinline__ void add_values(Sums& sums, int n, const float (&weights)[4],
                                           const uint32_t (&values)[4][VALUE_REGISTERS],
                                           const Lane& lane)
{
    const uint32_t b[2] = {transposed(pack2<ELEMENT>(weights[0], weights[1]), lane),
                           transposed(pack2<ELEMENT>(weights[2], weights[3]), lane)};
#pragma unroll
    for (int m = 0; m < DIM_TILES; ++m) {
        const uint32_t a[4] = {low_halves(values[0][m], values[1][m]),
                               high_halves(values[0][m], values[1][m]),
                               low_halves(values[2][m], values[3][m]),
                               high_halves(values[2][m], values[3][m])};
        mma_16x8x16<ELEMENT>(sums.attended[n][m], a, b);
    }
}

// Values of a tile are asked for before its scores are computed, and the next keys before the
// values are used. __syncwarp() holds the compiler to it: where loads stand before one, they are
// not moved to their use. The first keys are on their way while the queries are waited for.
__device__ __forceinline__ void attend(Sums& sums, const Share& share, const ELEMENT* queries,
                                       int first, const Scoring& scoring)
{
    LoadedKeys loaded_keys;
    TilePlace place = share.place(first);
    share.load_keys(loaded_keys, place);
    __syncwarp();
    copy_async_wait<0>();
    __syncthreads();  // the queries are there
    while (place.first < share.tokens.end) {
        const TilePlace next = share.place(place.first + WARPS * TILE);
        LoadedValues loaded_values;
        share.load_values(loaded_values, place);
        __syncwarp();
        uint32_t keys[2][KEY_REGISTERS];
        loaded_keys.widen_into(keys);
        float scores[HEAD_TILES][4] = {};
#pragma unroll
        for (int n = 0; n < HEAD_TILES; ++n) {
            const int head = 8 * n + share.lane.group;
            multiply_keys(scores[n], keys, queries + head * QUERY_STRIDE, share.lane.place);
        }
        share.load_keys(loaded_keys, next);
        uint32_t values[4][VALUE_REGISTERS];
        loaded_values.widen_into(values);
#pragma unroll
        for (int n = 0; n < HEAD_TILES; ++n) {
            weigh(scores[n], sums, n, share, place.first, scoring);
            add_values(sums, n, scores[n], values, share.lane);
        }
        place = next;
    }
}

// ---------------------------------------------------------------- a block

// On their way to shared memory, [8 HEAD_TILES, QUERY_STRIDE]; zeros for heads that pad a tile.
__device__ __forceinline__ void load_queries(ELEMENT* queries, const ELEMENT* query)
{
    constexpr int vectors = HEAD_DIM / 8;
    for (int i = threadIdx.x; i < 8 * HEAD_TILES * vectors; i += THREADS) {
        const int head = i / vectors;
        const int dim = i % vectors * 8;
        const bool is_wanted = head < HEADS;
        const ELEMENT* source = query + (is_wanted ? head * HEAD_DIM + dim : 0);
        copy_async_16(queries + head * QUERY_STRIDE + dim, source, is_wanted);
    }
    copy_async_commit();
}

// Into parts [WARPS, HEADS] in shared memory.
__device__ __forceinline__ void leave(const Sums& sums, const Parts& local, const Lane& lane)
{
    const int warp = threadIdx.x / WARP_THREADS;
#pragma unroll
    for (int i = 0; i < 2 * HEAD_TILES; ++i) {
        const int n = i / 2;
        const int head = 8 * n + 2 * lane.place + i % 2;
        const float weights = sum_of_groups(sums.weights[n][i % 2]);
        if (head >= HEADS) {
            continue;
        }
        const int part = warp * HEADS + head;
        if (lane.group == 0) {
            local.softmax[part] = make_float2(sums.highest[n][i % 2], weights);
        }
#pragma unroll
        for (int m = 0; m < DIM_TILES; ++m) {
            float* pair = local.attended + part * HEAD_DIM + dim_of_register(m, lane.group);
            *reinterpret_cast<float2*>(pair) =
                make_float2(sums.attended[n][m][i % 2], sums.attended[n][m][2 + i % 2]);
        }
    }
}

// query: [tokens, query heads, HEAD_DIM], tokens query_stride numbers apart; out: the same, without
// gaps. partial_*: see attention_split.cuh. Entries of `singles` beyond the live sequences are
// padding; a sequence without a context has no splits.
extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    attention_single(const ELEMENT* query, int query_stride, const CACHED* keys,
                     const CACHED* values, ELEMENT* out, const int* counts, const int* singles,
                     const int* query_starts, const int* context_lens, const int* sequence_rows,
                     const int* block_tables, int max_blocks, int window, float scale, float cap,
                     int min_split_tokens, int max_splits, unsigned* arrivals,
                     float2* partial_softmax, float* partial_attended)
{
    extern __shared__ __align__(128) unsigned char shared_memory[];
    const int num_live = counts[1];
    const int sequence = singles[blockIdx.x];
    if (static_cast<int>(blockIdx.x) >= num_live || sequence >= num_live) {
        return;
    }
    const int token = query_starts[sequence];
    const int row = sequence_rows[sequence];
    const Range seen = seen_from(context_lens[sequence] - 1, window);
    __syncwarp();  // these three are waited for together
    const SplitJob job = split_job(token, seen, {scale, cap}, {min_split_tokens, max_splits},
                                   {partial_softmax, partial_attended}, arrivals, out);
    if (static_cast<int>(blockIdx.z) >= job.splits.count) {
        return;
    }

    const int first_head = blockIdx.y * HEADS;
    const int num_kv_heads = gridDim.y * HEADS / GROUP;
    const int* blocks = block_tables + int64_t(row) * max_blocks;
    Share share = {Cache(keys, values, blocks, num_kv_heads, first_head / GROUP), {}, this_lane()};
    ELEMENT* queries = reinterpret_cast<ELEMENT*>(shared_memory);
    load_queries(queries, query + int64_t(token) * query_stride + first_head * HEAD_DIM);

    float* attended = reinterpret_cast<float*>(queries + 8 * HEAD_TILES * QUERY_STRIDE);
    const Parts local = {reinterpret_cast<float2*>(attended + WARPS * HEADS * HEAD_DIM), attended};
    for (int split = blockIdx.z; split < job.splits.count; split += gridDim.z) {
        const Range tokens = job.splits.tokens(split);
        share.tokens = {max(tokens.begin, job.splits.seen.begin), tokens.end};
        Sums sums;
        sums.clear();
        attend(sums, share, queries, tokens.begin + int(threadIdx.x) / WARP_THREADS * TILE,
               job.scoring);
        leave(sums, local, share.lane);
        __syncthreads();
        job.finish(split, local, WARPS);
        __syncthreads();
    }
    job.merge_if_last(reinterpret_cast<float2*>(shared_memory));
}
