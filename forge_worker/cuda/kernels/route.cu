// Which experts each row takes, and what of each expert meets in a row again (Shazeer et al. 2017,
// arXiv:1701.06538). A row and one of its experts are a choice: number row · NUM_CHOSEN + place.
//
//   choose_experts   a row takes the NUM_CHOSEN experts of the largest scores, of equal ones the
//                    first, and notes them in their order; their weights are softmax of all scores
//     grid   (ceil(num_rows / 4)), block 128: a warp a row
//   sort_choices     choices of live rows expert by expert, in each in their order, and cut in
//                    items: at most tile_rows choices of one expert. Items that are not needed have
//                    no rows, so that nobody reads an expert for a row that idles in a graph.
//     grid   (NUM_EXPERTS), block 256: each block counts all choices, and sorts its own
//   mix_experts      mixed[row] = sum of weight · output over the row's choices, in their order; 0
//                    where the row is not live
//     grid   (num_rows, ceil(num_vectors / 256)), block 256, a thread four columns
//
//   types  scores: float [num_rows, NUM_EXPERTS]; chosen: int32 [num_rows, NUM_CHOSEN];
//          weights: float [num_rows, NUM_CHOSEN]; order: int32 [num_rows · NUM_CHOSEN];
//          items: int32 [num_items, 3], see grouped.cuh; outputs: float [num_rows · NUM_CHOSEN,
//          4 · num_vectors]; mixed: float [num_rows, 4 · num_vectors]; live: int32 [4], of which
//          the first is the number of live rows of the step, where first_row is the first of these
//   macros NUM_EXPERTS, NUM_CHOSEN, IS_RENORMALISED (the weights that are left sum to 1)
//
// What a launch looks like follows from the number of rows alone, so that it can be recorded. Scores
// that are not numbers give weights that are not; the experts are always NUM_CHOSEN different ones.

#include "best_token.cuh"
#include "grouped.cuh"
#include "vectors.cuh"

#if !defined(NUM_EXPERTS) || !defined(NUM_CHOSEN) || !defined(IS_RENORMALISED)
#error "route.cu needs NUM_EXPERTS, NUM_CHOSEN and IS_RENORMALISED"
#endif

constexpr int CHOOSE_THREADS = 128;
constexpr int THREADS = 256;
constexpr int WARPS = THREADS / WARP_THREADS;
constexpr int LANE_EXPERTS = (NUM_EXPERTS + WARP_THREADS - 1) / WARP_THREADS;
static_assert(LANE_EXPERTS <= 32, "a lane marks its experts in 32 bits");
static_assert(NUM_CHOSEN >= 1 && NUM_CHOSEN <= NUM_EXPERTS, "a row takes different experts");

// ---------------------------------------------------------------- choosing

__device__ __forceinline__ float minus_infinity()
{
    return __uint_as_float(0xff800000u);
}

// The scores of a row: lane l has those of experts l, l + 32, …
struct Scores {
    float of[LANE_EXPERTS];
    uint32_t chosen;  // a bit each

    __device__ __forceinline__ static int expert(int i)
    {
        return i * WARP_THREADS + threadIdx.x % WARP_THREADS;
    }

    __device__ __forceinline__ explicit Scores(const float* row) : chosen(0)
    {
#pragma unroll
        for (int i = 0; i < LANE_EXPERTS; ++i) {
            of[i] = expert(i) < NUM_EXPERTS ? row[expert(i)] : minus_infinity();
        }
    }

    __device__ __forceinline__ bool is_chosen(int i) const { return chosen >> i & 1; }

    // One more: the best that is left.
    __device__ __forceinline__ void choose()
    {
        Packed best = 0;
#pragma unroll
        for (int i = 0; i < LANE_EXPERTS; ++i) {
            const bool is_free = expert(i) < NUM_EXPERTS && !is_chosen(i);
            best = greater(best, is_free ? pack(of[i], expert(i)) : 0);
        }
        best = warp_best(best);
#pragma unroll
        for (int i = 0; i < LANE_EXPERTS; ++i) {
            chosen |= static_cast<uint32_t>(token_of(best) == expert(i)) << i;
        }
    }

    __device__ __forceinline__ void soften()
    {
        float highest = of[0];
#pragma unroll
        for (int i = 1; i < LANE_EXPERTS; ++i) {
            highest = fmaxf(highest, of[i]);
        }
        highest = warp_max(highest);
        float sum = 0.0f;
#pragma unroll
        for (int i = 0; i < LANE_EXPERTS; ++i) {
            of[i] = expf(of[i] - highest);
            sum += expert(i) < NUM_EXPERTS ? of[i] : 0.0f;
        }
        divide(warp_sum(sum));
    }

    __device__ __forceinline__ void renormalise()
    {
        float sum = 0.0f;
#pragma unroll
        for (int i = 0; i < LANE_EXPERTS; ++i) {
            sum += is_chosen(i) ? of[i] : 0.0f;
        }
        divide(warp_sum(sum));
    }

    __device__ __forceinline__ void divide(float by)
    {
#pragma unroll
        for (int i = 0; i < LANE_EXPERTS; ++i) {
            of[i] /= by;
        }
    }

    __device__ __forceinline__ void store(int32_t* experts, float* weights) const
    {
        const uint32_t lanes_before = (1u << threadIdx.x % WARP_THREADS) - 1;
        int num_before = 0;
#pragma unroll
        for (int i = 0; i < LANE_EXPERTS; ++i) {
            const uint32_t lanes = __ballot_sync(ALL_LANES, is_chosen(i));
            if (is_chosen(i)) {
                const int place = num_before + __popc(lanes & lanes_before);
                experts[place] = expert(i);
                weights[place] = of[i];
            }
            num_before += __popc(lanes);
        }
    }
};

extern "C" __global__ void __launch_bounds__(CHOOSE_THREADS)
    choose_experts(const float* scores, int32_t* chosen, float* weights, int num_rows)
{
    const int row = blockIdx.x * (CHOOSE_THREADS / WARP_THREADS) + threadIdx.x / WARP_THREADS;
    if (row >= num_rows) {
        return;
    }
    Scores mine(scores + static_cast<int64_t>(row) * NUM_EXPERTS);
    for (int i = 0; i < NUM_CHOSEN; ++i) {
        mine.choose();
    }
    mine.soften();
    if (IS_RENORMALISED) {
        mine.renormalise();
    }
    mine.store(chosen + row * NUM_CHOSEN, weights + row * NUM_CHOSEN);
}

// ---------------------------------------------------------------- sorting

struct Counts {
    int of[NUM_EXPERTS];
    int choices_before;  // of the experts before that of the block
    int items_before;
    int of_warps[WARPS];
};

__device__ __forceinline__ void count(Counts& counts, const int32_t* chosen, int num_choices,
                                      int tile_rows)
{
    for (int i = threadIdx.x; i < NUM_EXPERTS; i += THREADS) {
        counts.of[i] = 0;
    }
    if (threadIdx.x == 0) {
        counts.choices_before = 0;
        counts.items_before = 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < num_choices; i += THREADS) {
        atomicAdd(&counts.of[chosen[i]], 1);
    }
    __syncthreads();
    const int expert = blockIdx.x;
    for (int i = threadIdx.x; i < expert; i += THREADS) {
        atomicAdd(&counts.choices_before, counts.of[i]);
        atomicAdd(&counts.items_before, (counts.of[i] + tile_rows - 1) / tile_rows);
    }
    __syncthreads();
}

// The last expert's block also marks the items that are not needed.
__device__ __forceinline__ void write_items(const Counts& counts, Item* items, int num_items,
                                            int tile_rows)
{
    const int expert = blockIdx.x;
    const int num_rows = counts.of[expert];
    const int num_mine = (num_rows + tile_rows - 1) / tile_rows;
    const int end = expert == NUM_EXPERTS - 1 ? num_items - counts.items_before : num_mine;
    for (int i = threadIdx.x; i < end; i += THREADS) {
        const int left = max(num_rows - i * tile_rows, 0);
        const int first = counts.choices_before + i * tile_rows;
        items[counts.items_before + i] = {expert, first, min(left, tile_rows)};
    }
}

// How many of the block's threads before this one say yes, and how many all.
struct Rank {
    int before;
    int all;
};

__device__ __forceinline__ Rank rank_in_block(Counts& counts, bool is_set)
{
    const uint32_t lanes = __ballot_sync(ALL_LANES, is_set);
    const int lane = threadIdx.x % WARP_THREADS;
    const int warp = threadIdx.x / WARP_THREADS;
    if (lane == 0) {
        counts.of_warps[warp] = __popc(lanes);
    }
    __syncthreads();
    Rank rank = {__popc(lanes & ((1u << lane) - 1)), 0};
#pragma unroll
    for (int i = 0; i < WARPS; ++i) {
        rank.before += i < warp ? counts.of_warps[i] : 0;
        rank.all += counts.of_warps[i];
    }
    __syncthreads();
    return rank;
}

extern "C" __global__ void __launch_bounds__(THREADS)
    sort_choices(const int32_t* chosen, int32_t* order, int32_t* items, const int32_t* live,
                 int first_row, int num_rows, int num_items, int tile_rows)
{
    __shared__ Counts counts;
    const int expert = blockIdx.x;
    const int num_choices = min(max(live[0] - first_row, 0), num_rows) * NUM_CHOSEN;
    count(counts, chosen, num_choices, tile_rows);
    write_items(counts, reinterpret_cast<Item*>(items), num_items, tile_rows);
    int place = counts.choices_before;
    const int end = place + counts.of[expert];
    for (int first = 0; place < end; first += THREADS) {
        const int choice = first + threadIdx.x;
        const bool is_mine = choice < num_choices && chosen[choice] == expert;
        const Rank rank = rank_in_block(counts, is_mine);
        if (is_mine) {
            order[place + rank.before] = choice;
        }
        place += rank.all;
    }
}

// ---------------------------------------------------------------- mixing

extern "C" __global__ void __launch_bounds__(THREADS)
    mix_experts(const float* outputs, const float* weights, float* mixed, const int32_t* live,
                int first_row, int num_vectors)
{
    const int vector = blockIdx.y * THREADS + threadIdx.x;
    if (vector >= num_vectors) {
        return;
    }
    const int64_t row = blockIdx.x;
    float* target = mixed + (row * num_vectors + vector) * 4;
    float sum[4] = {};
    if (first_row + row >= live[0]) {
        store4(target, sum);
        return;
    }
#pragma unroll
    for (int i = 0; i < NUM_CHOSEN; ++i) {
        const int64_t choice = row * NUM_CHOSEN + i;
        float output[4];
        load4(outputs + (choice * num_vectors + vector) * 4, output);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            sum[j] += weights[choice] * output[j];
        }
    }
    store4(target, sum);
}
