// Attention of every token of a step, each on its own, without tensor cores: for float, and for
// heads that the other kernels cannot cut into 16s (those of tiny models).
//
// Grid: (tokens, query heads / HEADS, blocks a query); block: 128 threads. HEADS is at most 4, so
// that a thread's sums stay in registers: a larger group reads its KV head more than once.
//
// 8 numbers of a token lie in a lane, a token in the next power of two of HEAD_DIM / 8 lanes, and a
// warp takes 32 / LANES tokens at a time. It is the exact and simple form: a token of a chunk reads
// its whole context again, and at 4 heads a warp issues some 150 instructions for every KiB of
// cache.
//
// Sums are taken by every group of lanes over its tokens upwards, then over groups, then over
// splits upwards.
//
// Constants: those of attention.cuh, and HEADS, query heads that a block serves.
#include "attention_split.cuh"

constexpr int THREADS = 128;
constexpr int MIN_BLOCKS = 4;  // on a multiprocessor; the compiler would spill to have more
constexpr int VECTOR = 8;

constexpr int next_power_of_two(int number)
{
    return number <= 1 ? 1 : 2 * next_power_of_two((number + 1) / 2);
}

constexpr int LANES = next_power_of_two(HEAD_DIM / VECTOR);
constexpr int TOKENS = THREADS / LANES;  // at a time

static_assert(HEAD_DIM <= 256, "a token lies in the lanes of one warp");

struct Place {
    int slot;  // which of the TOKENS
    int dim;   // the first of the lane's numbers
    bool is_live;

    __device__ __forceinline__ Place()
        : slot(threadIdx.x / LANES),
          dim(threadIdx.x % LANES * VECTOR),
          is_live(threadIdx.x % LANES * VECTOR < HEAD_DIM)
    {
    }
};

// Zeros for lanes beyond the head and tokens that are not there.
__device__ __forceinline__ void load_or_clear(float (&values)[VECTOR], const ELEMENT* address,
                                              bool is_wanted)
{
#pragma unroll
    for (int i = 0; i < VECTOR; ++i) {
        values[i] = 0.0f;
    }
    if (is_wanted) {
        load8_streaming(address, values);
    }
}

template <class C>
__device__ __forceinline__ void load8_cached(float (&values)[VECTOR], const C* address, float scale)
{
    if constexpr (HAS_SCALES) {
        widen8<C>(__ldcs(reinterpret_cast<const uint2*>(address)), scale, values);
    } else {
        load8_streaming(address, values);
    }
}

// Eight numbers of a token's key or value.
__device__ __forceinline__ void load_cached(float (&values)[VECTOR], const CACHED* cached,
                                            const Cache& cache, int token, int dim, bool is_wanted)
{
#pragma unroll
    for (int i = 0; i < VECTOR; ++i) {
        values[i] = 0.0f;
    }
    if (is_wanted) {
        const float scale = cache.scale(cached, token);
        load8_cached(values, cached + cache.offset(token) + dim, scale);
    }
}

__device__ __forceinline__ float dot(const float (&a)[VECTOR], const float (&b)[VECTOR])
{
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < VECTOR; ++i) {
        sum += a[i] * b[i];
    }
#pragma unroll
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        sum += __shfl_xor_sync(ALL_LANES, sum, distance);
    }
    return sum;
}

// What a group of lanes knows of its tokens, for one head.
struct Sums {
    float highest;
    float weights;
    float attended[VECTOR];

    __device__ __forceinline__ void clear()
    {
        highest = minus_infinity();
        weights = 0.0f;
#pragma unroll
        for (int i = 0; i < VECTOR; ++i) {
            attended[i] = 0.0f;
        }
    }

    __device__ __forceinline__ void add(float score, const float (&value)[VECTOR],
                                        const Scoring& scoring)
    {
        const float raised = fmaxf(highest, score);
        const float scale = scoring.rescale(highest, raised);
        const float weight = scoring.weight(score, raised);
        highest = raised;
        weights = weights * scale + weight;
#pragma unroll
        for (int i = 0; i < VECTOR; ++i) {
            attended[i] = attended[i] * scale + weight * value[i];
        }
    }
};

__device__ __forceinline__ void attend(Sums (&sums)[HEADS], const float (&queries)[HEADS][VECTOR],
                                       const Cache& cache, const Range& tokens,
                                       const Place& place, const Scoring& scoring)
{
    for (int first = tokens.begin; first < tokens.end; first += TOKENS) {
        const int token = first + place.slot;
        const bool is_seen = token < tokens.end;
        const bool is_wanted = is_seen && place.is_live;
        float key[VECTOR];
        float value[VECTOR];
        load_cached(key, cache.keys, cache, token, place.dim, is_wanted);
        load_cached(value, cache.values, cache, token, place.dim, is_wanted);
#pragma unroll
        for (int head = 0; head < HEADS; ++head) {
            const float score = scoring.score(dot(queries[head], key));
            if (is_seen) {
                sums[head].add(score, value, scoring);
            }
        }
    }
}

// Into parts [TOKENS, HEADS] in shared memory.
__device__ __forceinline__ void leave(const Sums (&sums)[HEADS], const Parts& local,
                                      const Place& place)
{
    if (!place.is_live) {
        return;
    }
#pragma unroll
    for (int head = 0; head < HEADS; ++head) {
        const int part = place.slot * HEADS + head;
        if (place.dim == 0) {
            local.softmax[part] = make_float2(sums[head].highest, sums[head].weights);
        }
        store8(local.attended + part * HEAD_DIM + place.dim, sums[head].attended);
    }
}

// The sequence that owns a token: the last one that begins at or before it.
__device__ __forceinline__ int sequence_of(int token, const int* query_starts, int num_sequences)
{
    int low = 0;
    int high = num_sequences - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (query_starts[middle] <= token) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

// query: [tokens, query heads, HEAD_DIM], tokens query_stride numbers apart; out: the same, without
// gaps. partial_*: see attention_split.cuh. Tokens beyond the live ones are padding.
extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    attention_scalar(const ELEMENT* query, int query_stride, const CACHED* keys,
                     const CACHED* values, ELEMENT* out, const int* counts, const int* positions,
                     const int* query_starts, const int* sequence_rows, const int* block_tables,
                     int max_blocks, int window, float scale, float cap, int min_split_tokens,
                     int max_splits, unsigned* arrivals, float2* partial_softmax,
                     float* partial_attended)
{
    extern __shared__ __align__(128) unsigned char shared_memory[];
    const int token = blockIdx.x;
    if (token >= counts[0]) {
        return;
    }
    const Range seen = seen_from(positions[token], window);
    const SplitJob job = split_job(token, seen, {scale, cap}, {min_split_tokens, max_splits},
                                   {partial_softmax, partial_attended}, arrivals, out);
    if (static_cast<int>(blockIdx.z) >= job.splits.count) {
        return;
    }

    const int first_head = blockIdx.y * HEADS;
    const int num_kv_heads = gridDim.y * HEADS / GROUP;
    const int row = sequence_rows[sequence_of(token, query_starts, counts[1])];
    const int* blocks = block_tables + int64_t(row) * max_blocks;
    const Cache cache(keys, values, blocks, num_kv_heads, first_head / GROUP);
    const Place place;
    float queries[HEADS][VECTOR];
#pragma unroll
    for (int head = 0; head < HEADS; ++head) {
        const int64_t first = int64_t(token) * query_stride + (first_head + head) * HEAD_DIM;
        load_or_clear(queries[head], query + first + place.dim, place.is_live);
    }

    float* attended = reinterpret_cast<float*>(shared_memory);
    const Parts local = {reinterpret_cast<float2*>(attended + TOKENS * HEADS * HEAD_DIM), attended};
    for (int split = blockIdx.z; split < job.splits.count; split += gridDim.z) {
        const Range tokens = job.splits.tokens(split);
        Sums sums[HEADS];
#pragma unroll
        for (int head = 0; head < HEADS; ++head) {
            sums[head].clear();
        }
        attend(sums, queries, cache, {max(tokens.begin, job.splits.seen.begin), tokens.end}, place,
               job.scoring);
        leave(sums, local, place);
        __syncthreads();
        job.finish(split, local, TOKENS);
        __syncthreads();
    }
    job.merge_if_last(reinterpret_cast<float2*>(shared_memory));
}
