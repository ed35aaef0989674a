// Logprobs of raw logits: of the token that stands at a row's place, and of its likeliest tokens.
//
//   score_rows   grid (rows), block 1024
//
// logits float32 [rows, vocab_size]. num_entries [rows] says what is wanted: 0 nothing, 1 the
// chosen token, 1 + n also the n likeliest, n at most 20, of equal logits the lower token first.
// Results: float64 [rows] and, rank by rank, float64 and int32 [rows, 20], of which top_counts
// [rows] say how many there are; what is not wanted stays as it was. A row without a finite best is
// not scored; its status says so.
//
// log softmax is (logit - best) - log(sum of exp(logit - best)). The terms of the sum are floats,
// added as integers in units of 2^-44 (tallies.cuh), so the sum is the same in every order; the
// last subtractions are in double. A logprob is wrong by what expf is wrong by, at most two units
// in the last place: 2.4e-7, and 7.5e-9 for what the integers leave out.
//
// Bytes: a row is read twice for the chosen token, five times with likeliest ones: 128k tokens are
// 512 KB a pass, some 5 us for the one multiprocessor a row has. (Arithmetic, not a measurement.)

#include "best_token.cuh"
#include "intrinsics.cuh"
#include "select.cuh"

constexpr int MAX_TOP = 20;

// logit - best of every token; ordered by the logits themselves, since a difference may hide one.
struct RawRow {
    static constexpr bool HAS_IMPOSSIBLE = true;
    const float* logits;
    int vocab_size;
    float best;

    __device__ __forceinline__ float bins_per_unit() const { return BINS_PER_LOGIT; }
    __device__ __forceinline__ Token at(int token, float logit) const
    {
        const uint32_t depth = ~rank_of(logit);
        return Token{logit - best, static_cast<Order>(depth) << 32 | static_cast<uint32_t>(token)};
    }
};

__device__ __forceinline__ Packed best_of_row(const float* logits, int vocab_size)
{
    Packed best = 0;
    for (int token = threadIdx.x; token < vocab_size; token += SELECT_THREADS) {
        best = greater(best, pack(logits[token], token));
    }
    return block_best<SELECT_THREADS>(best);
}

// What is to be subtracted from a logit.
__device__ __forceinline__ double log_total(const RawRow& row, SelectMemory& memory)
{
    Mass mine = 0;
    for (int token = threadIdx.x; token < row.vocab_size; token += SELECT_THREADS) {
        mine += mass_of(row.logits[token] - row.best);
    }
    const double mass = static_cast<double>(total_mass(mine, memory.sums));
    return static_cast<double>(row.best) + log(mass / static_cast<double>(MASS_OF_BEST));
}

// Gathers the `num_top` likeliest, in any order.
__device__ __forceinline__ void gather_top(const RawRow& row, int num_top, SelectMemory& memory)
{
    survey<false>(row, memory.bins);
    const Cut cut{static_cast<unsigned>(num_top), ANY_MASS};
    const Order last = select<false>(row, cut, memory).last;
    if (threadIdx.x == 0) {
        memory.num_gathered = 0;
    }
    __syncthreads();
    visit_tokens(row, [&](Token token) {
        if (token.order <= last) {
            memory.orders[atomicAdd(&memory.num_gathered, 1)] = token.order;
        }
    });
    __syncthreads();
}

// Each of the gathered tokens finds its rank by looking at all others.
__device__ __forceinline__ void write_top(const RawRow& row, double total,
                                          const SelectMemory& memory, int* tokens,
                                          double* logprobs)
{
    if (static_cast<int>(threadIdx.x) >= memory.num_gathered) {
        return;
    }
    const Order mine = memory.orders[threadIdx.x];
    int rank = 0;
    for (int other = 0; other < memory.num_gathered; ++other) {
        rank += memory.orders[other] < mine;
    }
    const int token = static_cast<int>(mine & 0xffffffffull);
    tokens[rank] = token;
    logprobs[rank] = static_cast<double>(row.logits[token]) - total;
}

extern "C" __global__ void __launch_bounds__(SELECT_THREADS, 1)
    score_rows(const float* logits, const int* chosen, const int* num_entries,
               double* chosen_logprobs, double* top_logprobs, int* top_tokens, int* top_counts,
               int* statuses, int vocab_size)
{
    __shared__ SelectMemory memory;
    const long long index = blockIdx.x;
    const int num_wanted = num_entries[index];
    if (num_wanted == 0) {
        return;
    }
    const float* values = logits + index * vocab_size;
    const float best = score_of(best_of_row(values, vocab_size));
    const bool is_sound = status_of(best) == SOUND;
    const int num_top = is_sound ? min(num_wanted - 1, min(MAX_TOP, vocab_size)) : 0;
    if (threadIdx.x == 0) {
        statuses[index] = is_sound ? SOUND : NOT_FINITE;
        top_counts[index] = num_top;
    }
    if (!is_sound) {
        return;
    }
    const RawRow row{values, vocab_size, best};
    const double total = log_total(row, memory);
    if (threadIdx.x == 0) {
        chosen_logprobs[index] = static_cast<double>(values[chosen[index]]) - total;
    }
    if (num_top > 0) {
        gather_top(row, num_top, memory);
        write_top(row, total, memory, top_tokens + index * MAX_TOP, top_logprobs + index * MAX_TOP);
    }
}
