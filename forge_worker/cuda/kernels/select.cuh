// The likeliest tokens of a row, by count and by mass, without a sort.
//
// Tokens stand in an order: larger values first, of equal values the lower token. `select` finds
// the last token that is kept, where one is kept as long as fewer than `count` tokens stand before
// it and their mass is less than `mass`.
//
//   1. `survey` (tallies.cuh) counts all tokens in 2048 bins.
//   2. The counts say in which bin the last kept token lies. While that holds more than 1024
//      tokens, it is split in 256 by the next eight bits of what orders them.
//   3. What is left is gathered in shared memory, and each of its tokens finds out what stands
//      before it by looking at all others.
//
// Two passes over the row as a rule. All of it is called by whole blocks of SELECT_THREADS.
#pragma once

#include "tallies.cuh"

constexpr int NUM_FINE_BINS = 256;
constexpr int FINE_BITS = 8;
constexpr int ORDER_BITS = 64;
constexpr int MAX_RANKED = 1024;
constexpr Mass ANY_MASS = ~0ull;

static_assert(MAX_RANKED <= SELECT_THREADS, "a thread a gathered token");

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
    Order last;  // the last token kept
    Mass mass;   // of all tokens kept; nothing unless masses were counted
};

// Tokens of one bin of the survey whose orders begin with the same bits.
struct Group {
    int bin;
    int free_bits;  // of the order, at its lower end
    Order prefix;

    template <class Row>
    __device__ __forceinline__ bool has(const Row& row, Token token) const
    {
        const bool begins_so = free_bits == ORDER_BITS || token.order >> free_bits == prefix;
        return begins_so && bin_of(row, token) == bin;
    }
};

struct SelectMemory {
    Bins<NUM_BINS> bins;  // of the survey; `select` leaves them as they are
    Bins<NUM_FINE_BINS> fine_bins;
    Order orders[MAX_RANKED];
    Mass masses[MAX_RANKED];
    SumMemory sums;
    Tally before;  // what stands before the bin or group looked at
    Order last;
    Mass mass;
    int crossing;  // the bin in which the last kept token lies
    int num_gathered;
};

// The bin of the last kept token; `memory.before`, what stands before the bins, becomes what stands
// before this one.
template <int N>
__device__ __forceinline__ int cross(const Bins<N>& bins, Cut cut, SelectMemory& memory)
{
    constexpr int OWN_BINS = (N + SELECT_THREADS - 1) / SELECT_THREADS;
    const int first = min(N, static_cast<int>(threadIdx.x) * OWN_BINS);
    const int end = min(N, first + OWN_BINS);
    Tally mine = Tally{0, 0};
    for (int bin = first; bin < end; ++bin) {
        mine = sum_of(mine, bins.at(bin));
    }
    if (threadIdx.x == 0) {
        memory.crossing = 0;
    }
    const Tally start = sum_of(memory.before, sum_before(mine, memory.sums));
    Tally before = start;
    for (int bin = first; bin < end; ++bin) {
        if (bins.counts[bin] > 0 && cut.keeps(before)) {
            atomicMax(&memory.crossing, bin);
        }
        before = sum_of(before, bins.at(bin));
    }
    __syncthreads();
    const int crossing = memory.crossing;
    if (first <= crossing && crossing < end) {
        before = start;
        for (int bin = first; bin < crossing; ++bin) {
            before = sum_of(before, bins.at(bin));
        }
        memory.before = before;
    }
    __syncthreads();
    return crossing;
}

// Counts the group by the highest eight of its free bits.
template <bool HAS_MASSES, class Row>
__device__ __forceinline__ void split(const Row& row, Group group, SelectMemory& memory)
{
    clear(memory.fine_bins);
    const int shift = group.free_bits - FINE_BITS;
    visit_tokens(row, [&](Token token) {
        const int bin = static_cast<int>(token.order >> shift) & (NUM_FINE_BINS - 1);
        count<HAS_MASSES>(memory.fine_bins, group.has(row, token) ? bin : NO_BIN, token.value);
    });
    __syncthreads();
}

template <class Row>
__device__ __forceinline__ void gather(const Row& row, Group group, SelectMemory& memory)
{
    if (threadIdx.x == 0) {
        memory.num_gathered = 0;
        memory.last = 0;
    }
    __syncthreads();
    visit_tokens(row, [&](Token token) {
        if (group.has(row, token)) {
            const int place = atomicAdd(&memory.num_gathered, 1);
            memory.orders[place] = token.order;
            memory.masses[place] = mass_of(token.value);
        }
    });
    __syncthreads();
}

// The last token kept among those gathered.
__device__ __forceinline__ Selection last_of_gathered(Cut cut, SelectMemory& memory)
{
    const int me = threadIdx.x;
    const bool has_token = me < memory.num_gathered;
    const Order mine = has_token ? memory.orders[me] : 0;
    Tally before = memory.before;
    for (int other = 0; has_token && other < memory.num_gathered; ++other) {
        if (memory.orders[other] < mine) {
            before = sum_of(before, Tally{1, memory.masses[other]});
        }
    }
    if (has_token && cut.keeps(before)) {
        atomicMax(&memory.last, mine);
    }
    __syncthreads();
    if (has_token && mine == memory.last) {
        memory.mass = before.mass + memory.masses[me];
    }
    __syncthreads();
    const Selection selection = Selection{memory.last, memory.mass};
    __syncthreads();
    return selection;
}

// After `survey` into `memory.bins`.
template <bool HAS_MASSES, class Row>
__device__ __forceinline__ Selection select(const Row& row, Cut cut, SelectMemory& memory)
{
    if (threadIdx.x == 0) {
        memory.before = Tally{0, 0};
    }
    __syncthreads();
    Group group{cross(memory.bins, cut, memory), ORDER_BITS, 0};
    unsigned size = memory.bins.counts[group.bin];
    while (size > MAX_RANKED) {
        split<HAS_MASSES>(row, group, memory);
        const int digit = cross(memory.fine_bins, cut, memory);
        size = memory.fine_bins.counts[digit];
        group.free_bits -= FINE_BITS;
        group.prefix = group.prefix << FINE_BITS | digit;
        __syncthreads();
    }
    gather(row, group, memory);
    return last_of_gathered(cut, memory);
}
