// One query token against its whole context, split among blocks (flash-decoding: Dao, Haziza, Massa
// and Sizov 2023): which keys a split holds, and how its parts are merged.
//
// A launch has gridDim.z blocks for a query, however long its context; they deal its splits out
// among them, and those left without one leave at once. How a context is cut is derived here, from
// its length, so that a recorded graph serves every length. A split that is alone writes the
// output; otherwise each leaves three sums in the workspace, and the block that arrives last merges
// them in order. That costs one atomic addition a block; a second kernel would cost a launch a
// layer, one or two microseconds, which is as much as one short context takes.
#pragma once

#include "attention.cuh"
#include "vectors.cuh"

#if !defined(HEADS) || GROUP % HEADS != 0
#error "splits need HEADS, a divisor of GROUP: query heads that a block serves"
#endif

constexpr int SPLIT_STEP = 64;  // splits begin at multiples of so many tokens

// Where min_tokens * max_splits covers every context, all splits but the last are of min_tokens,
// whatever else is in the batch.
struct SplitLimits {
    int min_tokens;  // a multiple of SPLIT_STEP
    int max_splits;  // of one query: what the workspace has room for
};

struct Splits {
    Range seen;      // by the query
    int first;       // seen.begin, rounded down to a multiple of SPLIT_STEP
    int num_tokens;  // of each but the last
    int count;

    __device__ __forceinline__ Splits(const Range& seen, const SplitLimits& limits) : seen(seen)
    {
        first = seen.begin / SPLIT_STEP * SPLIT_STEP;
        const int total = seen.end - first;
        const int steps = ceil_div(ceil_div(total, limits.max_splits), SPLIT_STEP);
        num_tokens = max(limits.min_tokens, steps * SPLIT_STEP);
        count = ceil_div(total, num_tokens);
    }

    // The first one may begin with tokens that are not seen.
    __device__ __forceinline__ Range tokens(int split) const
    {
        const int begin = first + split * num_tokens;
        return {begin, min(begin + num_tokens, seen.end)};
    }
};

// What is known of parts of the keys.
struct Parts {
    float2* softmax;  // highest score, sum of weights
    float* attended;  // HEAD_DIM numbers for each of `softmax`
};

// Four neighbouring numbers of a head.
struct Merged {
    float highest;
    float sum;
    float attended[4];

    __device__ __forceinline__ void add(float weight, float part_sum, const float4& part)
    {
        sum += weight * part_sum;
        attended[0] += weight * part.x;
        attended[1] += weight * part.y;
        attended[2] += weight * part.z;
        attended[3] += weight * part.w;
    }
};

constexpr int PARTS_AT_ONCE = 8;

// `count` parts, in order. Four numbers at a time, and eight parts asked for at once, since this is
// what the last block does while all others are done: two or three times the latency of memory.
__device__ __forceinline__ Merged merge(const Parts& parts, int softmax_stride,
                                        int attended_stride, int count, const Scoring& scoring)
{
    Merged merged = {minus_infinity(), 0.0f, {0.0f, 0.0f, 0.0f, 0.0f}};
    for (int i = 0; i < count; ++i) {
        merged.highest = fmaxf(merged.highest, parts.softmax[i * softmax_stride].x);
    }
    const float highest = finite_highest(merged.highest);
    for (int first = 0; first < count; first += PARTS_AT_ONCE) {
        float2 softmax[PARTS_AT_ONCE];
        float4 attended[PARTS_AT_ONCE];
#pragma unroll
        for (int i = 0; i < PARTS_AT_ONCE; ++i) {
            const int part = min(first + i, count - 1);  // a branch would part the loads
            softmax[i] = parts.softmax[part * softmax_stride];
            attended[i] = *reinterpret_cast<const float4*>(parts.attended +
                                                           int64_t(part) * attended_stride);
        }
#pragma unroll
        for (int i = 0; i < PARTS_AT_ONCE; ++i) {
            const float weight = scoring.rescale(softmax[i].x, highest);
            merged.add(first + i < count ? weight : 0.0f, softmax[i].y, attended[i]);
        }
    }
    return merged;
}

// Whether this block is the last of `num_blocks` to come here. All its threads then see what the
// others wrote before, and the counter is 0 again, for the next launch. One thread's fence stands
// for its whole block, which it met at the barrier; it costs hundreds of cycles, so none is idle.
__device__ __forceinline__ bool is_last_arrival(unsigned* counter, int num_blocks)
{
    __shared__ bool is_last;
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        is_last = atomicAdd(counter, 1u) + 1u == static_cast<unsigned>(num_blocks);
        if (is_last) {
            __threadfence();
            *counter = 0u;
        }
    }
    __syncthreads();
    return is_last;
}

// The work of the blocks with one query token and HEADS neighbouring query heads of one KV head.
struct SplitJob {
    Splits splits;
    Scoring scoring;
    Parts partials;      // in the workspace: [rows, heads of the model, max_splits]
    int max_splits;
    int64_t first_part;  // of the first head, in partials
    unsigned* arrivals;  // 0 between launches
    ELEMENT* out;        // [HEADS, HEAD_DIM]

    // Merges what the warps left in shared memory, parts [num_local, HEADS]. Called by all threads,
    // after a barrier.
    __device__ __forceinline__ void finish(int split, const Parts& local, int num_local) const
    {
        for (int number = threadIdx.x * 4; number < HEADS * HEAD_DIM; number += blockDim.x * 4) {
            const int head = number / HEAD_DIM;
            const int dim = number % HEAD_DIM;
            const Parts of_head = {local.softmax + head, local.attended + number};
            const Merged merged = merge(of_head, HEADS, HEADS * HEAD_DIM, num_local, scoring);
            if (splits.count == 1) {
                write(number, merged);
            } else {
                keep(first_part + int64_t(head) * max_splits + split, dim, merged);
            }
        }
    }

    // Called by every block that had a split, at its end. Shared memory has room for max_splits
    // parts of HEADS heads, but for their sums of values.
    __device__ __forceinline__ void merge_if_last(float2* softmax) const
    {
        const int num_blocks = min(splits.count, static_cast<int>(gridDim.z));
        if (splits.count == 1 || !is_last_arrival(arrivals, num_blocks)) {
            return;
        }
        for (int i = threadIdx.x; i < HEADS * max_splits; i += blockDim.x) {
            if (i % max_splits < splits.count) {
                softmax[i] = partials.softmax[first_part + i];
            }
        }
        __syncthreads();
        for (int number = threadIdx.x * 4; number < HEADS * HEAD_DIM; number += blockDim.x * 4) {
            const int first = number / HEAD_DIM * max_splits;
            const int dim = number % HEAD_DIM;
            const Parts of_head = {softmax + first,
                                   partials.attended + (first_part + first) * HEAD_DIM + dim};
            write(number, merge(of_head, 1, HEAD_DIM, splits.count, scoring));
        }
    }

    __device__ __forceinline__ void keep(int64_t part, int dim, const Merged& merged) const
    {
        float* attended = partials.attended + part * HEAD_DIM + dim;
        *reinterpret_cast<float4*>(attended) = make_float4(merged.attended[0], merged.attended[1],
                                                           merged.attended[2], merged.attended[3]);
        if (dim == 0) {
            partials.softmax[part] = make_float2(merged.highest, merged.sum);
        }
    }

    __device__ __forceinline__ void write(int number, const Merged& merged) const
    {
        float values[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            values[i] = __fdividef(merged.attended[i], merged.sum);
        }
        store_vector(out + number, values);
    }
};

// The job of this block in a grid of (rows, heads of the model / HEADS, blocks a query).
__device__ __forceinline__ SplitJob split_job(int token, const Range& seen,
                                                     const Scoring& scoring,
                                                     const SplitLimits& limits,
                                                     const Parts& partials, unsigned* arrivals,
                                                     ELEMENT* out)
{
    const int num_heads = gridDim.y * HEADS;
    const int first_head = blockIdx.y * HEADS;
    const int64_t first_part =
        (int64_t(blockIdx.x) * num_heads + first_head) * limits.max_splits;
    return {Splits(seen, limits),
            scoring,
            partials,
            limits.max_splits,
            first_part,
            arrivals + blockIdx.x * gridDim.y + blockIdx.y,
            out + (int64_t(token) * num_heads + first_head) * HEAD_DIM};
}
