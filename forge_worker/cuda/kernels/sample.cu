// From logits to tokens, for every row of a step that samples.
//
//   find_best     rules (logit_rules.cuh) and the best token of each slice of 4096
//                 grid (slices, rows), block 256
//   narrow_rows   the best token of each row; greedy rows are done; top-k, top-p and min-p become the
//                 last token that may be drawn (select.cuh)
//                 grid (rows), block 1024
//   draw          Gumbel-max over what may be drawn, noise as in forge_worker/sampler/choice.py
//                 grid (slices, rows), block 256; the last block of a row writes its token
//
// logits float32 [rows, vocab_size], left as they are; rows with rules are worked on in `processed`, of
// the same shape. A grid may have more rows than counts[2]: the rest do nothing.
//
// A token's score is (logit - best) / temperature + noise in float. Noise lies in a known range, so
// what is 25.75 below the best cannot win. The best token's own score is a floor that others must
// beat, and the leading zeros of a token's random bits bound its noise, so the two logarithms are
// taken for a few tokens only.
//
// Bytes a token of the vocabulary: find_best reads 4, and of rows with rules also 2 of counts and a bit
// of mask, and writes 4; draw reads 4, of rows that are not greedy and slices whose best is within
// reach; top-k or top-p read 8, both 12. A batch of 256 times 128k is 131 MB a pass, 40 us at 3.3 TB/s:
// one pass for greedy rows, two for rows with temperature. Philox takes about 20 instructions a token,
// 25 us for such a batch by their number. At batch 1 find_best and draw spread over 32 multiprocessors;
// narrow_rows is one block, and reads a filtered row of 512 KB at what one multiprocessor gets, some
// 5 us a pass. (Arithmetic, not measurements.)
//
// Constants: PARAM_..., RULE_..., from device_tables.py.

#include "best_token.cuh"
#include "intrinsics.cuh"
#include "logit_rules.cuh"
#include "philox.cuh"
#include "sampling_row.cuh"
#include "select.cuh"

constexpr int SLICE_THREADS = 256;
constexpr int SLICE_TOKENS = 4096;
constexpr int QUAD = 4;  // tokens that share a call of Philox, and a load
constexpr int LIVE_LOGITS = 2;  // index into `counts`

constexpr float NOISE_RANGE = 25.75f;
constexpr float LARGEST_U = 0.99999994f;  // 1 - 2^-24
constexpr float TWO_TO_MINUS_32 = 2.3283064365386963e-10f;
constexpr float TWO_TO_MINUS_33 = 1.1641532182693481e-10f;
constexpr float LOG_2_ROUNDED_UP = 0.69315f;
constexpr float NOISE_MARGIN = 1e-3f;  // far more than float rounds away
constexpr Order NO_ORDER_BEYOND = 0xffffffffull;
constexpr float REACH_FACTOR = 1.0001f;
constexpr float SMALLEST_REACH = 1e-30f;

// What narrow_rows tells draw of a row.
struct Draw {
    Packed winner;  // so far
    Order last;     // the last token that may be drawn
    float best;     // logit, after rules
    unsigned num_arrived;  // blocks that are done
};

struct Quad {
    float logits[QUAD];
};

__device__ __forceinline__ Quad load_quad(const float* row, int first, int vocab_size)
{
    Quad quad;
    if (vocab_size % QUAD == 0) {
        const float4 vector = *reinterpret_cast<const float4*>(row + first);
        quad.logits[0] = vector.x;
        quad.logits[1] = vector.y;
        quad.logits[2] = vector.z;
        quad.logits[3] = vector.w;
        return quad;
    }
#pragma unroll
    for (int lane = 0; lane < QUAD; ++lane) {
        quad.logits[lane] = first + lane < vocab_size ? row[first + lane] : minus_infinity();
    }
    return quad;
}

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

extern "C" __global__ void __launch_bounds__(SLICE_THREADS)
    find_best(const float* logits, float* processed, const int* rows, const int* context_lens,
              const int* counts, const int* params, const int* rules, const uint32_t* masks,
              const uint16_t* seen, const int* token_ids, Packed* partials, int vocab_size,
              int token_width, int mask_width, int seen_width)
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
        apply_rules(RuleRow(row, tables, rows[index], context_lens[index]), logits + start,
                    processed + start, slice);
    }
    const float* values = ruled_row(logits, processed, row, index, vocab_size);
    Packed best = 0;
    for (int first = slice.first + QUAD * threadIdx.x; first < slice.last;
         first += QUAD * SLICE_THREADS) {
        const Quad quad = load_quad(values, first, vocab_size);
#pragma unroll
        for (int lane = 0; lane < QUAD; ++lane) {
            best = greater(best, pack(quad.logits[lane], first + lane));
        }
    }
    best = block_best<SLICE_THREADS>(best);
    if (threadIdx.x == 0) {
        partials[static_cast<long long>(index) * gridDim.x + blockIdx.x] = best;
    }
}

// ---------------------------------------------------------------- noise

__device__ __forceinline__ float noise_of(uint32_t bits)
{
    const float scaled = static_cast<float>(bits) * TWO_TO_MINUS_32;  // exact
    const float u = fminf(scaled + TWO_TO_MINUS_33, LARGEST_U);
    return -logf(-log1pf(-u));
}

// Not less than the noise of these bits: -log(-log(1 - u)) is at most -log(u).
__device__ __forceinline__ float noise_bound(uint32_t bits)
{
    return static_cast<float>(__clz(bits) + 1) * LOG_2_ROUNDED_UP + NOISE_MARGIN;
}

// The bits of tokens 4 call .. 4 call + 3.
__device__ __forceinline__ uint4 random_bits(SamplingRow row, int call, int position)
{
    const uint4 counter = make_uint4(call, position, row.params[PARAM_CHOICE_INDEX], 0);
    const uint2 key = make_uint2(row.params[PARAM_SEED], row.params[PARAM_SEED + 1]);
    return philox4x32(counter, key);
}

__device__ __forceinline__ uint32_t lane_of(uint4 bits, int lane)
{
    return lane < 2 ? (lane == 0 ? bits.x : bits.y) : (lane == 2 ? bits.z : bits.w);
}

// ---------------------------------------------------------------- top-k, top-p, min-p

// (logit - best) / temperature of every token.
struct TemperedRow {
    static constexpr bool HAS_IMPOSSIBLE = false;
    const float* logits;
    int vocab_size;
    float best;
    float temperature;

    __device__ __forceinline__ int size() const { return vocab_size; }
    // So many for one unit of logit, whatever the temperature makes of it.
    __device__ __forceinline__ float bins_per_unit() const { return BINS_PER_LOGIT * temperature; }
    __device__ __forceinline__ float tempered(float logit) const
    {
        return (logit - best) / temperature;
    }
    __device__ __forceinline__ Token at(int token) const;
};

// Values are not above 0, so their bits without the sign rise as they fall.
__device__ __forceinline__ uint32_t depth_of(float value)
{
    return __float_as_uint(value) & ~SIGN_BIT;
}

__device__ __forceinline__ Order order_of(float value, int token)
{
    return static_cast<Order>(depth_of(value)) << 32 | static_cast<uint32_t>(token);
}

// Of values down to `floor`, whatever the token.
__device__ __forceinline__ Order last_order_of(float floor)
{
    return static_cast<Order>(depth_of(floor)) << 32 | NO_ORDER_BEYOND;
}

__device__ __forceinline__ Token TemperedRow::at(int token) const
{
    const float value = tempered(logits[token]);
    return Token{value, order_of(value, token)};
}

// As mass before a token is an integer, less than p times the total is less than that rounded up.
__device__ __forceinline__ Mass wanted_mass(double top_p, Mass total)
{
    return static_cast<Mass>(ceil(top_p * static_cast<double>(total)));
}

__device__ __forceinline__ Mass total_of_survey(SelectMemory& memory)
{
    Mass mine = 0;
    for (int bin = threadIdx.x; bin < NUM_BINS; bin += SELECT_THREADS) {
        mine += memory.masses[bin];
    }
    return total_mass(mine, memory);
}

__device__ __forceinline__ Order last_by_count(const TemperedRow& values, int top_k,
                                               SelectMemory& memory)
{
    survey<TemperedRow, false>(values, memory);
    const Cut cut{static_cast<unsigned>(top_k), ANY_MASS};
    return select<TemperedRow, false>(values, cut, memory).last;
}

__device__ __forceinline__ Order last_by_mass(const TemperedRow& values, int top_k, double top_p,
                                              SelectMemory& memory)
{
    survey<TemperedRow, true>(values, memory);
    Cut cut{static_cast<unsigned>(top_k), ANY_MASS};
    const Mass total = top_k < values.vocab_size
                           ? select<TemperedRow, true>(values, cut, memory).mass
                           : total_of_survey(memory);
    cut.mass = wanted_mass(top_p, total);
    return select<TemperedRow, true>(values, cut, memory).last;
}

// ---------------------------------------------------------------- rows

__device__ __forceinline__ Packed best_of_slices(const Packed* partials, int num_slices)
{
    Packed best = 0;
    for (int slice = threadIdx.x; slice < num_slices; slice += SELECT_THREADS) {
        best = greater(best, partials[slice]);
    }
    return block_best<SELECT_THREADS>(best);
}

__device__ __forceinline__ Order last_to_draw(const TemperedRow& values, SamplingRow row,
                                              SelectMemory& memory)
{
    const float floor = fmaxf(row.real(PARAM_LOG_MIN_P), -NOISE_RANGE);
    const Order lowest = last_order_of(floor);
    const int top_k = row.params[PARAM_TOP_K];
    const double top_p = row.top_p();
    Order last = lowest;
    if (top_p < 1.0) {
        last = last_by_mass(values, top_k, top_p, memory);
    } else if (top_k < values.vocab_size) {
        last = last_by_count(values, top_k, memory);
    }
    return last < lowest ? last : lowest;
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

// A logit that may be drawn is not further below the best than this, which is a little too far.
__device__ __forceinline__ float reach_of(Order last, float temperature)
{
    const float depth = __uint_as_float(static_cast<uint32_t>(last >> 32));
    return depth * temperature * REACH_FACTOR + SMALLEST_REACH;
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
            tokens[index] = token_of(atomicMax(&draws[index].winner, 0ull));
        }
    }
}
