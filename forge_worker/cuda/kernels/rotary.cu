// Between the projection of q|k|v and attention: norm each head of Q and K (Qwen 3), or all of Q and
// all of K (OLMo 2), where the model does so, rotate them (RoFormer, arXiv:2104.09864), and put K
// and V into the paged cache.
//
// The pairs are (i, i + HEAD_DIM / 2): low · cos - high · sin, high · cos + low · sin. Q goes back
// to its place in `qkv`, whose K and V stay as they were.
//
//   grid   heads of all tokens, token after token, BLOCK_THREADS / LANES of them a block
//   block  BLOCK_THREADS along x; LANES neighbouring threads share a head
//          norm_all_…: a block of TOKEN_THREADS a token, since its heads are normed together
//   types  qkv: ELEMENT [T, NUM_HEADS + 2 · NUM_KV_HEADS, HEAD_DIM];
//          counts: int32 [4], of which the first is the number of live tokens;
//          positions: int32 [T]; slots: int64 [T]; query_norm, key_norm: float [HEAD_DIM], or
//          [NUM_HEADS · HEAD_DIM] and [NUM_KV_HEADS · HEAD_DIM];
//          table: float [max_model_len, HEAD_DIM / 2, 2], cos and sin;
//          keys, values: CACHED, tiles [num_blocks, NUM_KV_HEADS], see cached.cuh
//   macros ELEMENT, CACHED, HEAD_DIM (even), NUM_HEADS, NUM_KV_HEADS, BLOCK_SIZE, BLOCK_THREADS,
//          TOKEN_THREADS, WIDTH (elements a memory access; divides HEAD_DIM / 2), LANES (power of two, up to 32)
//
// Memory bounds it: 2 · (NUM_HEADS + 2 · NUM_KV_HEADS) · HEAD_DIM elements a token, and once
// 4 · HEAD_DIM bytes of the table. Padded rows are left alone: nothing of them is read or written.

#include "cached_row.cuh"
#include "intrinsics.cuh"
#include "vectors.cuh"

#if !defined(ELEMENT) || !defined(HEAD_DIM) || !defined(NUM_HEADS) || !defined(NUM_KV_HEADS)
#error "rotary.cu needs ELEMENT, HEAD_DIM, NUM_HEADS and NUM_KV_HEADS"
#endif
#if !defined(BLOCK_SIZE) || !defined(WIDTH) || !defined(LANES) || !defined(BLOCK_THREADS)
#error "rotary.cu needs BLOCK_SIZE, WIDTH, LANES and BLOCK_THREADS"
#endif
#ifndef TOKEN_THREADS
#error "rotary.cu needs TOKEN_THREADS"
#endif

constexpr int HALF = HEAD_DIM / 2;
constexpr int HEADS_A_TOKEN = NUM_HEADS + 2 * NUM_KV_HEADS;
constexpr int FIRST_VALUE_HEAD = NUM_HEADS + NUM_KV_HEADS;
static_assert(HEAD_DIM % 2 == 0 && HALF % WIDTH == 0, "lanes take whole pairs");
static_assert(WARP_THREADS % LANES == 0, "a head lies within a warp");
static_assert(BLOCK_THREADS % WARP_THREADS == 0, "whole warps");

struct Projected {
    ELEMENT* qkv;
    const int32_t* counts;
    const int32_t* positions;
    const int64_t* slots;
};

struct Cache {
    CACHED* keys;
    CACHED* values;
};

struct HeadNorms {
    const float* query;
    const float* key;
    float eps;
};

// What one thread works on: lane `lane` of head `head` of token `token`.
struct Place {
    int token;
    int head;
    int lane;
    bool is_live;

    __device__ __forceinline__ bool is_query() const { return head < NUM_HEADS; }
    __device__ __forceinline__ bool is_value() const { return head >= FIRST_VALUE_HEAD; }
};

// WIDTH pairs of a head.
struct Pairs {
    float low[WIDTH];
    float high[WIDTH];
};

__device__ __forceinline__ Place my_place(const int32_t* counts)
{
    const int head_of_all = blockIdx.x * (BLOCK_THREADS / LANES) + threadIdx.x / LANES;
    Place place;
    place.token = head_of_all / HEADS_A_TOKEN;
    place.head = head_of_all % HEADS_A_TOKEN;
    place.lane = threadIdx.x % LANES;
    place.is_live = place.token < counts[0];
    return place;
}

__device__ __forceinline__ ELEMENT* head_in_qkv(ELEMENT* qkv, const Place& place)
{
    return qkv + (static_cast<int64_t>(place.token) * HEADS_A_TOKEN + place.head) * HEAD_DIM;
}

__device__ __forceinline__ CachedRow row_in_cache(const Cache& cache, const Place& place,
                                                  int64_t slot)
{
    CACHED* array = place.is_value() ? cache.values : cache.keys;
    const int kv_head = place.head - (place.is_value() ? FIRST_VALUE_HEAD : NUM_HEADS);
    const int64_t tile = slot / BLOCK_SIZE * NUM_KV_HEADS + kv_head;
    return {array + tile * TILE_STRIDE, static_cast<int>(slot % BLOCK_SIZE)};
}

template <class E>
__device__ __forceinline__ Pairs load_pairs(const E* head, int first)
{
    Pairs pairs;
    load_vector(head + first, pairs.low);
    load_vector(head + HALF + first, pairs.high);
    return pairs;
}

__device__ __forceinline__ void store_pairs(ELEMENT* head, int first, const Pairs& pairs)
{
    store_vector(head + first, pairs.low);
    store_vector(head + HALF + first, pairs.high);
}

// Every lane of the head gets the sum. All lanes of the warp must call it.
__device__ __forceinline__ float sum_over_head(float value)
{
#pragma unroll
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    }
    return value;
}

__device__ __forceinline__ float squares_of_lane(const ELEMENT* head, int lane)
{
    float sum = 0.0f;
#pragma unroll
    for (int first = lane * WIDTH; first < HALF; first += LANES * WIDTH) {
        const Pairs pairs = load_pairs(head, first);
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            sum += pairs.low[i] * pairs.low[i] + pairs.high[i] * pairs.high[i];
        }
    }
    return sum;
}

__device__ __forceinline__ float inverse_root_mean_square(const ELEMENT* head, const Place& place,
                                                          float eps)
{
    const float squares = place.is_live ? squares_of_lane(head, place.lane) : 0.0f;
    return rsqrtf(sum_over_head(squares) / HEAD_DIM + eps);
}

__device__ __forceinline__ void scale(Pairs& pairs, const float* weight, int first, float factor)
{
    const Pairs weights = load_pairs(weight, first);
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
        pairs.low[i] *= factor * weights.low[i];
        pairs.high[i] *= factor * weights.high[i];
    }
}

// `angles`: cos and sin of each pair in turn.
__device__ __forceinline__ void rotate(Pairs& pairs, const float* angles)
{
    float cos_sin[2 * WIDTH];
    load_vector(angles, cos_sin);
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
        const float low = pairs.low[i];
        const float high = pairs.high[i];
        pairs.low[i] = low * cos_sin[2 * i] - high * cos_sin[2 * i + 1];
        pairs.high[i] = high * cos_sin[2 * i] + low * cos_sin[2 * i + 1];
    }
}

// `weight`: of the norm of this head, which `factor` belongs to.
template <bool HAS_NORMS>
__device__ __forceinline__ Pairs turned(const Projected& projected, const Place& place, int first,
                                        const float* table, const float* weight, float factor)
{
    const float* angles = table + static_cast<int64_t>(projected.positions[place.token]) * HEAD_DIM;
    Pairs pairs = load_pairs(head_in_qkv(projected.qkv, place), first);
    if (HAS_NORMS && !place.is_value()) {
        scale(pairs, weight, first, factor);
    }
    if (!place.is_value()) {
        rotate(pairs, angles + 2 * first);
    }
    return pairs;
}

// What is turned goes to where it came from, or to the cache, where it is kept as it is computed.
template <bool HAS_NORMS>
__device__ __forceinline__ void turn_and_store_plain(const Projected& projected,
                                                     const Place& place, const float* table,
                                                     const Cache& cache, const float* weight,
                                                     float factor)
{
    ELEMENT* source = head_in_qkv(projected.qkv, place);
    ELEMENT* target = source;
    if (!place.is_query()) {
        const CachedRow row = row_in_cache(cache, place, projected.slots[place.token]);
        target = reinterpret_cast<ELEMENT*>(row.numbers());
    }
#pragma unroll
    for (int first = place.lane * WIDTH; first < HALF; first += LANES * WIDTH) {
        store_pairs(target, first,
                    turned<HAS_NORMS>(projected, place, first, table, weight, factor));
    }
}

// The same where the cache has bytes: a lane has all of its numbers at once, and the lanes of a
// head look at them together. All lanes of the warp must call it.
template <bool HAS_NORMS>
__device__ __forceinline__ void turn_and_store_bytes(const Projected& projected,
                                                     const Place& place, const float* table,
                                                     const Cache& cache, const float* weight,
                                                     float factor)
{
    const int first = place.lane * WIDTH;
    const bool is_mine = place.is_live && first < HALF;
    Pairs pairs = {};
    if (is_mine) {
        pairs = turned<HAS_NORMS>(projected, place, first, table, weight, factor);
    }
    const float scale = scale_over_head<CACHED>(pairs.low, pairs.high);
    if (is_mine && place.is_query()) {
        store_pairs(head_in_qkv(projected.qkv, place), first, pairs);
    } else if (is_mine) {
        const CachedRow row = row_in_cache(cache, place, projected.slots[place.token]);
        store_bytes<CACHED>(row, first, scale, pairs.low, pairs.high);
    }
}

// All lanes of the warp must call it.
template <bool HAS_NORMS>
__device__ __forceinline__ void turn_and_store(const Projected& projected, const Place& place,
                                               const float* table, const Cache& cache,
                                               const float* weight, float factor)
{
    if constexpr (HAS_SCALES) {
        turn_and_store_bytes<HAS_NORMS>(projected, place, table, cache, weight, factor);
    } else if (place.is_live) {
        turn_and_store_plain<HAS_NORMS>(projected, place, table, cache, weight, factor);
    }
}

template <bool HAS_NORMS>
__device__ __forceinline__ void finish_head(const Projected& projected, const HeadNorms& norms,
                                            const float* table, const Cache& cache)
{
    const Place place = my_place(projected.counts);
    float factor = 1.0f;
    if (HAS_NORMS) {
        factor = inverse_root_mean_square(head_in_qkv(projected.qkv, place), place, norms.eps);
    }
    const float* weight = place.is_query() ? norms.query : norms.key;
    turn_and_store<HAS_NORMS>(projected, place, table, cache, weight, factor);
}

// Of `num_heads` heads that lie side by side. Every thread of the block must call it, and gets it.
__device__ __forceinline__ float inverse_root_of_all(const ELEMENT* heads, int num_heads, float eps)
{
    const int size = num_heads * HEAD_DIM;
    float sum = 0.0f;
    for (int first = threadIdx.x * WIDTH; first < size; first += TOKEN_THREADS * WIDTH) {
        float values[WIDTH];
        load_vector(heads + first, values);
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            sum += values[i] * values[i];
        }
    }
    return rsqrtf(block_sum<TOKEN_THREADS>(sum) / size + eps);
}

// What a head of a query or key has of a weight as wide as all of them.
__device__ __forceinline__ const float* weight_of_head(const HeadNorms& norms, const Place& place)
{
    return place.is_query() ? norms.query + place.head * HEAD_DIM
                            : norms.key + (place.head - NUM_HEADS) * HEAD_DIM;
}

// All heads of one token, by a block.
__device__ __forceinline__ void finish_token(const Projected& projected, const HeadNorms& norms,
                                             const float* table, const Cache& cache)
{
    Place place = {static_cast<int>(blockIdx.x), 0, static_cast<int>(threadIdx.x % LANES), true};
    if (place.token >= projected.counts[0]) {
        return;
    }
    const ELEMENT* row = head_in_qkv(projected.qkv, place);
    const float of_query = inverse_root_of_all(row, NUM_HEADS, norms.eps);
    const float of_key = inverse_root_of_all(row + NUM_HEADS * HEAD_DIM, NUM_KV_HEADS, norms.eps);
    for (int first = 0; first < HEADS_A_TOKEN; first += TOKEN_THREADS / LANES) {
        place.head = first + threadIdx.x / LANES;
        place.is_live = place.head < HEADS_A_TOKEN;
        const float factor = place.is_query() ? of_query : of_key;
        const float* weight = weight_of_head(norms, place);
        turn_and_store<true>(projected, place, table, cache, weight, factor);
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    rotate_and_store(ELEMENT* qkv, const int32_t* counts, const int32_t* positions,
                     const int64_t* slots, const float* table, CACHED* keys, CACHED* values)
{
    finish_head<false>({qkv, counts, positions, slots}, {}, table, {keys, values});
}

extern "C" __global__ void __launch_bounds__(BLOCK_THREADS)
    norm_rotate_and_store(ELEMENT* qkv, const int32_t* counts, const int32_t* positions,
                          const int64_t* slots, const float* table, CACHED* keys, CACHED* values,
                          const float* query_norm, const float* key_norm, float eps)
{
    finish_head<true>({qkv, counts, positions, slots}, {query_norm, key_norm, eps}, table,
                      {keys, values});
}

extern "C" __global__ void __launch_bounds__(TOKEN_THREADS)
    norm_all_rotate_and_store(ELEMENT* qkv, const int32_t* counts, const int32_t* positions,
                              const int64_t* slots, const float* table, CACHED* keys,
                              CACHED* values, const float* query_norm, const float* key_norm,
                              float eps)
{
    finish_token({qkv, counts, positions, slots}, {query_norm, key_norm, eps}, table,
                 {keys, values});
}
