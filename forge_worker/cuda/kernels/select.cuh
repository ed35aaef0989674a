// The likeliest tokens of a row, by count and by mass, without a sort.
//
// Tokens stand in an order: larger values first, of equal values the lower token. `select` finds the
// last token that is kept, where one is kept as long as fewer than `count` tokens stand before it and
// their mass is less than `mass`.
//
//   1. `survey` tallies all tokens in 2048 bins of equal width by how far they are below the best.
//   2. The tallies say in which bin the last kept token lies. While that holds more than 1024
//      tokens, it is split in 256 by the next eight bits of what orders them.
//   3. What is left is gathered in shared memory, and each of its tokens finds out what stands
//      before it by looking at all others.
//
// Two passes over the row as a rule. Mass is counted in units of 2^-44 of the likeliest token's, in
// integers, so that a sum is the same in any order; the sum over 2^17 tokens is low by 2^-27 at most.
// Where a sum of masses and what is wanted are equal to within that, as two equal best tokens and
// p = 0.5 may make them, one token more or less may be kept than by exact arithmetic.
//
// A row is a struct with
//   int size()                      of the vocabulary
//   Token at(int token)
//   float bins_per_unit()           of a token's `value`
//   HAS_IMPOSSIBLE                  whether tokens at -inf stand in the order too
#pragma once

#include "intrinsics.cuh"
#include "row_status.cuh"

typedef unsigned long long Mass;
typedef unsigned long long Order;  // falls in the order of tokens: what stands first is smallest

constexpr int SELECT_THREADS = 1024;
constexpr int SELECT_WARPS = SELECT_THREADS / WARP_THREADS;
constexpr int NUM_BINS = 2048;
constexpr float BINS_PER_LOGIT = 32.0f;  // so they reach 64 below the best, beyond most vocabularies
constexpr int NUM_FINE_BINS = 256;
constexpr int FINE_BITS = 8;
constexpr int NO_BIN = -1;
constexpr int ORDER_BITS = 64;
constexpr int MAX_RANKED = 1024;
constexpr float MASS_OF_BEST = 17592186044416.0f;  // 2^44
constexpr Mass ANY_MASS = ~0ull;

struct Token {
    float value;  // 0 for the best of the row, less for the others
    Order order;  // agrees with `value`, and may tell apart what `value` does not
};

struct Tally {
    unsigned count;
    Mass mass;
};

// Tokens are kept while less than this stands before them.
struct Cut {
    unsigned count;
    Mass mass;

    __device__ __forceinline__ bool keeps(Tally before) const
    {
        return before.count < count && before.mass < mass;
    }
};

struct Selection {
    Order last;     // the last token kept
    Mass mass;      // of all tokens kept; nothing unless masses were tallied
};

// Tokens of one bin of the survey whose orders begin with the same bits.
struct Group {
    int bin;
    int free_bits;  // of the order, at its lower end
    Order prefix;

    __device__ __forceinline__ bool has(int bin_of_token, Order order) const
    {
        return bin_of_token == bin && (free_bits == ORDER_BITS || order >> free_bits == prefix);
    }
};

struct SelectMemory {
    unsigned counts[NUM_BINS];
    Mass masses[NUM_BINS];
    unsigned fine_counts[NUM_FINE_BINS];
    Mass fine_masses[NUM_FINE_BINS];
    Order orders[MAX_RANKED];
    Mass ranked_masses[MAX_RANKED];
    Tally of_warps[SELECT_WARPS];
    Tally before;   // what stands before the bin or group looked at
    Order last;
    Mass mass;
    int crossing;   // the bin in which the last kept token lies
    int num_ranked;
};

template <class Row>
__device__ __forceinline__ int bin_of(const Row& row, float value)
{
    if (!Row::HAS_IMPOSSIBLE && value == minus_infinity()) {
        return NO_BIN;
    }
    const float place = fminf(-value * row.bins_per_unit(), static_cast<float>(NUM_BINS - 1));
    return static_cast<int>(place);
}

__device__ __forceinline__ Mass mass_of(float value)
{
    return static_cast<Mass>(expf(value) * MASS_OF_BEST);
}

__device__ __forceinline__ Mass warp_mass(Mass mass)
{
#pragma unroll
    for (int distance = WARP_THREADS / 2; distance > 0; distance /= 2) {
        mass += __shfl_xor_sync(ALL_LANES, mass, distance);
    }
    return mass;
}

// Called by whole warps, with a bin or NO_BIN each. Lanes that all share a bin, as in flat rows, add
// to it once, since atomics on one address wait for each other.
template <bool HAS_MASSES>
__device__ __forceinline__ void tally(unsigned* counts, Mass* masses, int bin, float value)
{
    const Mass mass = HAS_MASSES && bin != NO_BIN ? mass_of(value) : 0;
    const int first_bin = __shfl_sync(ALL_LANES, bin, 0);
    if (!__all_sync(ALL_LANES, bin == first_bin)) {
        if (bin != NO_BIN) {
            atomicAdd(&counts[bin], 1u);
            if (HAS_MASSES) {
                atomicAdd(&masses[bin], mass);
            }
        }
        return;
    }
    const Mass sum = HAS_MASSES ? warp_mass(mass) : 0;
    if (bin != NO_BIN && threadIdx.x % WARP_THREADS == 0) {
        atomicAdd(&counts[bin], static_cast<unsigned>(WARP_THREADS));
        if (HAS_MASSES) {
            atomicAdd(&masses[bin], sum);
        }
    }
}

template <class Row, bool HAS_MASSES>
__device__ __forceinline__ void survey(const Row& row, SelectMemory& memory)
{
    for (int bin = threadIdx.x; bin < NUM_BINS; bin += SELECT_THREADS) {
        memory.counts[bin] = 0;
        memory.masses[bin] = 0;
    }
    __syncthreads();
    for (int first = 0; first < row.size(); first += SELECT_THREADS) {
        const int id = first + threadIdx.x;
        const float value = id < row.size() ? row.at(id).value : 0.0f;
        const int bin = id < row.size() ? bin_of(row, value) : NO_BIN;
        tally<HAS_MASSES>(memory.counts, memory.masses, bin, value);
    }
    __syncthreads();
}

__device__ __forceinline__ Tally sum_of(Tally a, Tally b)
{
    return Tally{a.count + b.count, a.mass + b.mass};
}

// What the threads before this one have, all together. Called by the whole block.
__device__ __forceinline__ Tally sum_before(Tally mine, SelectMemory& memory)
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

// What all threads have together. Called by the whole block.
__device__ __forceinline__ Mass total_mass(Mass mine, SelectMemory& memory)
{
    const Tally before = sum_before(Tally{0, mine}, memory);
    if (threadIdx.x == SELECT_THREADS - 1) {
        memory.mass = before.mass + mine;
    }
    __syncthreads();
    const Mass total = memory.mass;
    __syncthreads();
    return total;
}

// The bin of the last kept token; `memory.before`, what stands before the bins, becomes what stands
// before this one. Called by the whole block.
template <int BINS>
__device__ __forceinline__ int cross(const unsigned* counts, const Mass* masses, Cut cut,
                                     SelectMemory& memory)
{
    constexpr int OWN_BINS = (BINS + SELECT_THREADS - 1) / SELECT_THREADS;
    const int first = min(BINS, static_cast<int>(threadIdx.x) * OWN_BINS);
    const int end = min(BINS, first + OWN_BINS);
    Tally mine = Tally{0, 0};
    for (int bin = first; bin < end; ++bin) {
        mine = sum_of(mine, Tally{counts[bin], masses[bin]});
    }
    if (threadIdx.x == 0) {
        memory.crossing = 0;
    }
    const Tally start = sum_of(memory.before, sum_before(mine, memory));
    Tally before = start;
    for (int bin = first; bin < end; ++bin) {
        if (counts[bin] > 0 && cut.keeps(before)) {
            atomicMax(&memory.crossing, bin);
        }
        before = sum_of(before, Tally{counts[bin], masses[bin]});
    }
    __syncthreads();
    const int crossing = memory.crossing;
    if (first <= crossing && crossing < end) {
        before = start;
        for (int bin = first; bin < crossing; ++bin) {
            before = sum_of(before, Tally{counts[bin], masses[bin]});
        }
        memory.before = before;
    }
    __syncthreads();
    return crossing;
}

// Tallies the group by the highest eight of its free bits.
template <class Row, bool HAS_MASSES>
__device__ __forceinline__ void split(const Row& row, Group group, SelectMemory& memory)
{
    for (int bin = threadIdx.x; bin < NUM_FINE_BINS; bin += SELECT_THREADS) {
        memory.fine_counts[bin] = 0;
        memory.fine_masses[bin] = 0;
    }
    __syncthreads();
    const int shift = group.free_bits - FINE_BITS;
    for (int first = 0; first < row.size(); first += SELECT_THREADS) {
        const int id = first + threadIdx.x;
        const Token token = id < row.size() ? row.at(id) : Token{0.0f, 0};
        const bool is_member =
            id < row.size() && group.has(bin_of(row, token.value), token.order);
        const int fine_bin = static_cast<int>(token.order >> shift) & (NUM_FINE_BINS - 1);
        tally<HAS_MASSES>(memory.fine_counts, memory.fine_masses, is_member ? fine_bin : NO_BIN,
                          token.value);
    }
    __syncthreads();
}

template <class Row>
__device__ __forceinline__ void gather(const Row& row, Group group, SelectMemory& memory)
{
    if (threadIdx.x == 0) {
        memory.num_ranked = 0;
        memory.last = 0;
    }
    __syncthreads();
    for (int id = threadIdx.x; id < row.size(); id += SELECT_THREADS) {
        const Token token = row.at(id);
        if (group.has(bin_of(row, token.value), token.order)) {
            const int place = atomicAdd(&memory.num_ranked, 1);
            memory.orders[place] = token.order;
            memory.ranked_masses[place] = mass_of(token.value);
        }
    }
    __syncthreads();
}

// The last token kept among those gathered.
__device__ __forceinline__ Selection last_of_gathered(Cut cut, SelectMemory& memory)
{
    const int me = threadIdx.x;
    const bool is_mine = me < memory.num_ranked;
    const Order mine = is_mine ? memory.orders[me] : 0;
    Tally before = memory.before;
    for (int other = 0; is_mine && other < memory.num_ranked; ++other) {
        if (memory.orders[other] < mine) {
            before = sum_of(before, Tally{1, memory.ranked_masses[other]});
        }
    }
    if (is_mine && cut.keeps(before)) {
        atomicMax(&memory.last, mine);
    }
    __syncthreads();
    if (is_mine && mine == memory.last) {
        memory.mass = before.mass + memory.ranked_masses[me];
    }
    __syncthreads();
    const Selection selection = Selection{memory.last, memory.mass};
    __syncthreads();
    return selection;
}

// Called by a whole block of SELECT_THREADS, after `survey`, whose tallies stay as they are.
template <class Row, bool HAS_MASSES>
__device__ __forceinline__ Selection select(const Row& row, Cut cut, SelectMemory& memory)
{
    if (threadIdx.x == 0) {
        memory.before = Tally{0, 0};
    }
    __syncthreads();
    Group group{cross<NUM_BINS>(memory.counts, memory.masses, cut, memory), ORDER_BITS, 0};
    unsigned size = memory.counts[group.bin];
    while (size > MAX_RANKED) {
        split<Row, HAS_MASSES>(row, group, memory);
        const int digit = cross<NUM_FINE_BINS>(memory.fine_counts, memory.fine_masses, cut, memory);
        size = memory.fine_counts[digit];
        group.free_bits -= FINE_BITS;
        group.prefix = group.prefix << FINE_BITS | digit;
        __syncthreads();
    }
    gather(row, group, memory);
    return last_of_gathered(cut, memory);
}
