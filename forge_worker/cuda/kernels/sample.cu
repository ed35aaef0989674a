// From logits to tokens, for every row of a step that samples.
//
//   find_best     rules (logit_rules.cuh) and the best token of each slice of 4096
//                 grid (slices, rows), block 256
//   narrow_rows   the best token of each row; greedy rows are done; top-k, top-p and min-p become
//                 the last token that may be drawn (filters.cuh)
//                 grid (rows), block 1024
//   draw          Gumbel-max over what may be drawn, with the noise of gumbel.cuh
//                 grid (slices, rows), block 256; the last block of a row writes its token
//
// logits float32 [rows, vocab_size], left as they are; rows with rules are worked on in
// `processed`, of the same shape. A grid may have more rows than counts[2]: the rest do nothing.
// A sequence with drafts has several rows: the i-th samples behind i of them, of which `assumed`
// tells, by a mask of its own.
//
// A token's score is (logit - best) / temperature + noise in float. Noise lies in a known range, so
// what is 25.75 below the best cannot win. The best token's own score is a floor that others must
// beat, and the leading zeros of a token's random bits bound its noise, so the two logarithms are
// taken for a few tokens only.
//
// Bytes a token of the vocabulary: find_best reads 4, and of rows with rules also 2 of counts and a
// bit of mask, and writes 4; draw reads 4, of rows that are not greedy and slices whose best is
// within reach; top-k or top-p read 8, both 12. A batch of 256 times 128k is 131 MB a pass, 40 us
// at 3.3 TB/s: one pass for greedy rows, two for rows with temperature. Philox takes about 20
// instructions a token, 25 us for such a batch by their number. At batch 1 find_best and draw
// spread over 32 multiprocessors; narrow_rows is one block, and reads a filtered row of 512 KB at
// what one multiprocessor gets, some 5 us a pass. (Arithmetic, not measurements.)
//
// Constants: PARAM_..., RULE_..., from device_tables.py.

#include "filters.cuh"
#include "logit_rules.cuh"

constexpr int SLICE_THREADS = 256;
constexpr int SLICE_TOKENS = 4096;
constexpr int LIVE_LOGITS = 2;  // index into `counts`

// What narrow_rows tells draw of a row.
struct Draw {
    Packed winner;         // so far
    Order last;            // the last token that may be drawn
    float best;            // logit, after rules
    unsigned num_arrived;  // blocks that are done
};

__device__ __forceinline__ Slice own_slice(int vocab_size)
{
    const int first = static_cast<int>(blockIdx.x) * SLICE_TOKENS;
    return Slice{first, min(vocab_size, first + SLICE_TOKENS)};
}

// The row of logits that counts: the raw one, or what rules made of it.
__device__ __forceinline__ const float* ruled_row(const float* logits, const float* processed,
                                                  SamplingRow row, int index, int vocab_size)
{
    const float* from = row.params[PARAM_HAS_RULES] ? processed : logits;
    return from + static_cast<long long>(index) * vocab_size;
}

// The best token of a slice that this thread sees; beyond the row there is only -inf.
__device__ __forceinline__ Packed best_of_quads(const float* values, Slice slice, int vocab_size)
{
    constexpr int STEP = QUAD * SLICE_THREADS;
    constexpr int NUM_QUADS = SLICE_TOKENS / STEP;
    static_assert(SLICE_TOKENS % STEP == 0, "a thread has whole quads");
    const int own = slice.first + QUAD * static_cast<int>(threadIdx.x);
    Quad quads[NUM_QUADS];
#pragma unroll
    for (int i = 0; i < NUM_QUADS; ++i) {
        quads[i] = load_quad(values, own + i * STEP, vocab_size);
    }
    __syncwarp();  // else the compiler moves each load to its use, and they wait one by one
    Packed best = 0;
#pragma unroll
    for (int i = 0; i < NUM_QUADS; ++i) {
#pragma unroll
        for (int lane = 0; lane < QUAD; ++lane) {
            best = greater(best, pack(quads[i].logits[lane], own + i * STEP + lane));
        }
    }
    return best;
}

extern "C" __global__ void __launch_bounds__(SLICE_THREADS)
    find_best(const float* logits, float* processed, const int* rows, const int* context_lens,
              const int* counts, const int* params, const int* assumed, const int* mask_rows,
              const int* rules, const uint32_t* masks, const uint16_t* seen, const int* token_ids,
              Packed* partials, int vocab_size, int token_width, int mask_width, int seen_width)
{
    const int index = blockIdx.y;
    if (index >= counts[LIVE_LOGITS]) {
        return;
    }
    const SamplingRow row(params, rows[index]);
    const Slice slice = own_slice(vocab_size);
    if (row.params[PARAM_HAS_RULES]) {
        const RuleTables tables{rules, masks, seen, token_ids, token_width, mask_width, seen_width};
        const long long start = static_cast<long long>(index) * vocab_size;
        const RulePlace place{rows[index], mask_rows[index], context_lens[index], assumed[index]};
        apply_rules(RuleRow(row, tables, place), logits + start, processed + start, slice);
    }
    const float* values = ruled_row(logits, processed, row, index, vocab_size);
    const Packed best = block_best<SLICE_THREADS>(best_of_quads(values, slice, vocab_size));
    if (threadIdx.x == 0) {
        partials[static_cast<long long>(index) * gridDim.x + blockIdx.x] = best;
    }
}

__device__ __forceinline__ Packed best_of_slices(const Packed* partials, int num_slices)
{
    Packed best = 0;
    for (int slice = threadIdx.x; slice < num_slices; slice += SELECT_THREADS) {
        best = greater(best, partials[slice]);
    }
    return block_best<SELECT_THREADS>(best);
}

extern "C" __global__ void __launch_bounds__(SELECT_THREADS, 1)
    narrow_rows(const float* logits, const float* processed, const int* rows,
                const int* context_lens, const int* counts, const int* params,
                const Packed* partials, Draw* draws, int* tokens, int* statuses, int vocab_size,
                int num_slices)
{
    __shared__ SelectMemory memory;
    const int index = blockIdx.x;
    if (index >= counts[LIVE_LOGITS]) {
        return;
    }
    const SamplingRow row(params, rows[index]);
    const Packed best =
        best_of_slices(partials + static_cast<long long>(index) * num_slices, num_slices);
    const RowStatus status = status_of(score_of(best));
    const bool is_done = status != SOUND || row.is_greedy();
    if (threadIdx.x == 0) {
        statuses[index] = status;
        tokens[index] = status == SOUND ? token_of(best) : 0;
    }
    if (is_done) {
        return;
    }
    const TemperedRow values{ruled_row(logits, processed, row, index, vocab_size), vocab_size,
                             score_of(best), row.real(PARAM_TEMPERATURE)};
    const Order last = last_to_draw(values, row, memory);
    if (threadIdx.x == 0) {
        const int token = token_of(best);
        const uint4 bits = random_bits(row, token / QUAD, context_lens[index]);
        const float noise = noise_of(lane_of(bits, token % QUAD));
        draws[index] = Draw{pack(noise, token), last, score_of(best), 0};
    }
}

// The better of `best` and the tokens of a quad.
__device__ __forceinline__ Packed best_of_quad(Packed best, const Quad& quad, int first,
                                               const TemperedRow& values, Order last, uint4 bits)
{
#pragma unroll
    for (int lane = 0; lane < QUAD; ++lane) {
        const float value = values.tempered(quad.logits[lane]);
        const uint32_t own_bits = lane_of(bits, lane);
        const bool may_win = order_of(value, first + lane) <= last &&
                             value + noise_bound(own_bits) >= score_of(best);
        if (may_win) {
            best = greater(best, pack(value + noise_of(own_bits), first + lane));
        }
    }
    return best;
}

__device__ __forceinline__ bool is_within(const Quad& quad, float best, float reach)
{
    bool found = false;
#pragma unroll
    for (int lane = 0; lane < QUAD; ++lane) {
        found |= best - quad.logits[lane] <= reach;
    }
    return found;
}

extern "C" __global__ void __launch_bounds__(SLICE_THREADS)
    draw(const float* logits, const float* processed, const int* rows, const int* context_lens,
         const int* counts, const int* params, const Packed* partials, const int* statuses,
         Draw* draws, int* tokens, int vocab_size)
{
    const int index = blockIdx.y;
    if (index >= counts[LIVE_LOGITS] || statuses[index] != SOUND) {
        return;
    }
    const SamplingRow row(params, rows[index]);
    if (row.is_greedy()) {
        return;
    }
    const Order last = draws[index].last;
    const TemperedRow values{ruled_row(logits, processed, row, index, vocab_size), vocab_size,
                             draws[index].best, row.real(PARAM_TEMPERATURE)};
    const float reach = reach_of(last, values.temperature);
    const Slice slice = own_slice(vocab_size);
    const Packed best_here = partials[static_cast<long long>(index) * gridDim.x + blockIdx.x];
    const bool is_hopeless = values.best - score_of(best_here) > reach;
    // Other blocks raise the winner meanwhile; whatever is read of it is a floor.
    Packed best = __ldcg(&draws[index].winner);
    for (int first = slice.first + QUAD * threadIdx.x; first < slice.last && !is_hopeless;
         first += QUAD * SLICE_THREADS) {
        const Quad quad = load_quad(values.logits, first, vocab_size);
        if (is_within(quad, values.best, reach)) {
            const uint4 bits = random_bits(row, first / QUAD, context_lens[index]);
            best = best_of_quad(best, quad, first, values, last, bits);
        }
    }
    best = block_best<SLICE_THREADS>(best);
    if (threadIdx.x == 0) {
        atomicMax(&draws[index].winner, best);
        __threadfence();
        if (atomicAdd(&draws[index].num_arrived, 1u) + 1 == gridDim.x) {
            __threadfence();
            tokens[index] = token_of(atomicMax(&draws[index].winner, 0ull));
        }
    }
}
