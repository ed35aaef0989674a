// Tokens of a row counted in bins, with their mass: a token's exp(value), value 0 for the best.
//
// Mass is an integer, in units of 2^-44 of the best token's, so that a sum is the same in any
// order; the sum over 2^17 tokens is low by 2^-27 at most. Where a sum of masses and what is wanted
// are equal to within that, as two equal best tokens and p = 0.5 may make them, one token more or
// less may be kept than by exact arithmetic.
//
// A row is a struct with
//   const float* logits
//   int vocab_size
//   Token at(int token, float logit)
//   float bins_per_unit()           of a token's `value`
//   HAS_IMPOSSIBLE                  whether tokens at -inf stand in the order too
//
// All of it is called by whole blocks of SELECT_THREADS.
#pragma once

#include "intrinsics.cuh"
#include "quad.cuh"
#include "row_status.cuh"

typedef unsigned long long Mass;
typedef unsigned long long Order;  // rises in the order of tokens: what stands first is smallest

constexpr int SELECT_THREADS = 1024;
constexpr int SELECT_WARPS = SELECT_THREADS / WARP_THREADS;
constexpr int NUM_BINS = 2048;
constexpr float BINS_PER_LOGIT = 32.0f;  // so they reach 64 below the best
constexpr int NO_BIN = -1;
constexpr Order NO_TOKEN = ~0ull;  // stands behind all that are
constexpr float MASS_OF_BEST = 17592186044416.0f;  // 2^44

struct Token {
    float value;  // 0 for the best of the row, less for the others
    Order order;  // agrees with `value`, and may tell apart what `value` does not
};

struct Tally {
    unsigned count;
    Mass mass;
};

template <int N>
struct Bins {
    unsigned counts[N];
    Mass masses[N];

    __device__ __forceinline__ Tally at(int bin) const { return Tally{counts[bin], masses[bin]}; }
};

__device__ __forceinline__ Tally sum_of(Tally a, Tally b)
{
    return Tally{a.count + b.count, a.mass + b.mass};
}

__device__ __forceinline__ Mass mass_of(float value)
{
    return static_cast<Mass>(expf(value) * MASS_OF_BEST);
}

template <class Row>
__device__ __forceinline__ int bin_of(const Row& row, Token token)
{
    const bool is_left_out = !Row::HAS_IMPOSSIBLE && token.value == minus_infinity();
    if (is_left_out || token.order == NO_TOKEN) {
        return NO_BIN;
    }
    const float place = fminf(-token.value * row.bins_per_unit(), static_cast<float>(NUM_BINS - 1));
    return static_cast<int>(place);
}

// Calls `visit(Token)` for all tokens, a quad of each thread in turn, so that enough loads are on
// their way at once. Whole warps call it together: where a row ends in between, for tokens at -inf
// that are NO_TOKEN.
template <class Row, class Visit>
__device__ __forceinline__ void visit_tokens(const Row& row, Visit visit)
{
    const int lane_of_warp = threadIdx.x % WARP_THREADS;
    for (int start = QUAD * (static_cast<int>(threadIdx.x) - lane_of_warp); start < row.vocab_size;
         start += QUAD * SELECT_THREADS) {
        const int first = start + QUAD * lane_of_warp;
        const Quad quad = load_quad(row.logits, first, row.vocab_size);
#pragma unroll
        for (int lane = 0; lane < QUAD; ++lane) {
            const Token token = row.at(first + lane, quad.logits[lane]);
            visit(first + lane < row.vocab_size ? token : Token{minus_infinity(), NO_TOKEN});
        }
    }
}

// ---------------------------------------------------------------- counting

template <int N>
__device__ __forceinline__ void clear(Bins<N>& bins)
{
    for (int bin = threadIdx.x; bin < N; bin += SELECT_THREADS) {
        bins.counts[bin] = 0;
        bins.masses[bin] = 0;
    }
    __syncthreads();
}

// To a sum in shared memory. There, GPUs add 32 bits in one instruction, but 64 only in a loop of
// comparisons that lanes with one address take in turns. So the halves are added one by one, and
// the upper one, which few tokens have, only where there is something to add.
__device__ __forceinline__ void add_mass(Mass& sum, Mass mass)
{
    uint32_t* halves = reinterpret_cast<uint32_t*>(&sum);  // the lower one first
    const uint32_t low = static_cast<uint32_t>(mass);
    if (mass == 0) {
        return;
    }
    const uint32_t carry = atomicAdd(&halves[0], low) > ~low ? 1 : 0;
    const uint32_t high = static_cast<uint32_t>(mass >> 32) + carry;
    if (high != 0) {
        atomicAdd(&halves[1], high);
    }
}

template <bool HAS_MASSES, int N>
__device__ __forceinline__ void add_to(Bins<N>& bins, int bin, Tally tally)
{
    atomicAdd(&bins.counts[bin], tally.count);
    if (HAS_MASSES) {
        add_mass(bins.masses[bin], tally.mass);
    }
}

__device__ __forceinline__ Mass warp_mass(Mass mass)
{
#pragma unroll
    for (int distance = WARP_THREADS / 2; distance > 0; distance /= 2) {
        mass += __shfl_xor_sync(ALL_LANES, mass, distance);
    }
    return mass;
}

// Each lane brings a token's bin, or NO_BIN. Lanes that all share a bin, as in flat rows, add to it
// once, since atomics on one address wait for each other.
template <bool HAS_MASSES, int N>
__device__ __forceinline__ void count(Bins<N>& bins, int bin, float value)
{
    const Mass mass = HAS_MASSES && bin != NO_BIN ? mass_of(value) : 0;
    const int first_bin = __shfl_sync(ALL_LANES, bin, 0);
    if (!__all_sync(ALL_LANES, bin == first_bin)) {
        if (bin != NO_BIN) {
            add_to<HAS_MASSES>(bins, bin, Tally{1, mass});
        }
        return;
    }
    const Mass mass_of_all = HAS_MASSES ? warp_mass(mass) : 0;
    if (bin != NO_BIN && threadIdx.x % WARP_THREADS == 0) {
        add_to<HAS_MASSES>(bins, bin, Tally{WARP_THREADS, mass_of_all});
    }
}

// All tokens, in bins of equal width by how far they are below the best.
template <bool HAS_MASSES, class Row>
__device__ __forceinline__ void survey(const Row& row, Bins<NUM_BINS>& bins)
{
    clear(bins);
    visit_tokens(row, [&](Token token) {
        count<HAS_MASSES>(bins, bin_of(row, token), token.value);
    });
    __syncthreads();
}

// ---------------------------------------------------------------- adding up

struct SumMemory {
    Tally of_warps[SELECT_WARPS];
    Mass total;
};

// What the threads before this one have, all together.
__device__ __forceinline__ Tally sum_before(Tally mine, SumMemory& memory)
{
    const int lane = threadIdx.x % WARP_THREADS;
    const int warp = threadIdx.x / WARP_THREADS;
    Tally through = mine;
#pragma unroll
    for (int distance = 1; distance < WARP_THREADS; distance *= 2) {
        const Tally lower = Tally{__shfl_up_sync(ALL_LANES, through.count, distance),
                                  __shfl_up_sync(ALL_LANES, through.mass, distance)};
        through = lane >= distance ? sum_of(through, lower) : through;
    }
    if (lane == WARP_THREADS - 1) {
        memory.of_warps[warp] = through;
    }
    __syncthreads();
    Tally before = Tally{through.count - mine.count, through.mass - mine.mass};
    for (int earlier = 0; earlier < warp; ++earlier) {
        before = sum_of(before, memory.of_warps[earlier]);
    }
    __syncthreads();
    return before;
}

// What all threads have together.
__device__ __forceinline__ Mass total_mass(Mass mine, SumMemory& memory)
{
    const Tally before = sum_before(Tally{0, mine}, memory);
    if (threadIdx.x == SELECT_THREADS - 1) {
        memory.total = before.mass + mine;
    }
    __syncthreads();
    const Mass total = memory.total;
    __syncthreads();
    return total;
}
