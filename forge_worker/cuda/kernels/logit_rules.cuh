// What one sequence asks of its logits before temperature, applied to a slice of its row.
//
// Order and formulas are those of forge_worker/sampler/logit_rules.py: penalties, bias, bans, mask;
// in float, each operation rounded once, so that the bits are the same. What is ruled out becomes
// -inf. The mask comes in with the penalties, which changes nothing: -inf plus a bias is -inf.
//
// A row may sample behind drafts, which it takes for right: they are outputs like any other, but
// that nothing counts them yet.
//
// A block works on tokens first .. last - 1 and on no others, so it needs no other block.
// Constants: PARAM_..., RULE_... and RULE_WORDS, from device_tables.py.
#pragma once

#include "sampling_row.cuh"
#include "seen.cuh"

#ifndef RULE_WORDS
#error "logit_rules.cuh needs RULE_WORDS and the RULE_... of device_tables.py"
#endif

struct RuleTables {
    const int* rules;
    const uint32_t* masks;
    const uint16_t* seen;
    const int* token_ids;
    int token_width;
    int mask_width;
    int seen_width;
};

// Which row of each table, and how far its tokens go.
struct RulePlace {
    long long row;
    long long mask_row;
    int context_len;
    int num_assumed;  // drafts, the last of its tokens
};

struct RuleRow {
    SamplingRow row;
    const int* rules;
    const uint32_t* mask;
    const uint16_t* seen;
    const int* outputs;  // tokens put out so far
    int num_outputs;
    int num_assumed;  // of those, the last

    __device__ __forceinline__ RuleRow(SamplingRow sampling, const RuleTables& tables,
                                       const RulePlace& place)
        : row(sampling),
          rules(tables.rules + place.row * RULE_WORDS),
          mask(tables.masks + place.mask_row * tables.mask_width),
          seen(tables.seen + place.row * tables.seen_width),
          outputs(tables.token_ids + place.row * tables.token_width +
                  sampling.params[PARAM_NUM_PROMPT_TOKENS]),
          num_outputs(place.context_len - sampling.params[PARAM_NUM_PROMPT_TOKENS]),
          num_assumed(place.num_assumed)
    {
    }

    __device__ __forceinline__ const int* drafts() const
    {
        return outputs + num_outputs - num_assumed;
    }
};

// [first, last) of a vocabulary.
struct Slice {
    int first;
    int last;

    __device__ __forceinline__ bool has(int token) const { return token >= first && token < last; }
};

__device__ __forceinline__ float penalised(float logit, uint32_t seen, SamplingRow row)
{
    if (seen == 0) {
        return logit;
    }
    const float repetition = row.real(PARAM_REPETITION_PENALTY);
    const float outputs = static_cast<float>(num_outputs_of(seen));
    const float presence = outputs > 0.0f ? row.real(PARAM_PRESENCE_PENALTY) : 0.0f;
    const float repeated = logit > 0.0f ? logit / repetition : logit * repetition;
    const float counted = __fmul_rn(row.real(PARAM_FREQUENCY_PENALTY), outputs);
    return __fadd_rn(__fadd_rn(repeated, -counted), -presence);
}

__device__ __forceinline__ bool is_allowed(const uint32_t* mask, int token)
{
    return mask[token / 32] >> (token % 32) & 1;
}

__device__ __forceinline__ void penalise_and_mask(const RuleRow& of, const float* logits,
                                                  float* processed, Slice slice)
{
    const bool has_penalties = of.row.params[PARAM_HAS_PENALTIES];
    const bool has_mask = of.row.params[PARAM_HAS_MASK];
    for (int token = slice.first + threadIdx.x; token < slice.last; token += blockDim.x) {
        float value = logits[token];
        if (has_penalties) {
            value = penalised(value, of.seen[token], of.row);
        }
        processed[token] = has_mask && !is_allowed(of.mask, token) ? minus_infinity() : value;
    }
}

// Once more for tokens among the drafts before this row, which count as outputs too. What is ruled
// out stays so.
__device__ __forceinline__ void penalise_drafts(const RuleRow& of, const float* logits,
                                                float* processed, Slice slice)
{
    const bool has_mask = of.row.params[PARAM_HAS_MASK];
    const int* drafts = of.drafts();
    for (int i = threadIdx.x; i < of.num_assumed; i += blockDim.x) {
        const int token = drafts[i];
        if (!slice.has(token) || (has_mask && !is_allowed(of.mask, token))) {
            continue;
        }
        uint32_t seen = of.seen[token];
        for (int other = 0; other < of.num_assumed; ++other) {
            seen = drafts[other] == token ? with_output(seen) : seen;
        }
        processed[token] = penalised(logits[token], seen, of.row);
    }
}

__device__ __forceinline__ void add_biases(const RuleRow& of, float* processed, Slice slice)
{
    const int num_biases = of.row.params[PARAM_NUM_BIASES];
    for (int i = threadIdx.x; i < num_biases; i += blockDim.x) {
        const int token = of.rules[RULE_BIAS_TOKENS + i];
        if (slice.has(token)) {
            processed[token] += __int_as_float(of.rules[RULE_BIASES + i]);
        }
    }
}

__device__ __forceinline__ void ban_early_ends(const RuleRow& of, float* processed, Slice slice)
{
    if (of.num_outputs >= of.row.params[PARAM_MIN_TOKENS]) {
        return;
    }
    const int num_ends = of.row.params[PARAM_NUM_EARLY_ENDS];
    for (int i = threadIdx.x; i < num_ends; i += blockDim.x) {
        const int token = of.rules[RULE_EARLY_ENDS + i];
        if (slice.has(token)) {
            processed[token] = minus_infinity();
        }
    }
}

// Whether the outputs end with `start`.
__device__ __forceinline__ bool ends_with(const RuleRow& of, const int* start, int length)
{
    if (length > of.num_outputs) {
        return false;
    }
    const int* tail = of.outputs + of.num_outputs - length;
    for (int i = 0; i < length; ++i) {
        if (tail[i] != start[i]) {
            return false;
        }
    }
    return true;
}

__device__ __forceinline__ void ban_bad_words(const RuleRow& of, float* processed, Slice slice)
{
    const int num_words = of.row.params[PARAM_NUM_BAD_WORDS];
    const int* starts = of.rules + RULE_BAD_WORD_STARTS;
    const int* tokens = of.rules + RULE_BAD_WORD_TOKENS;
    for (int i = threadIdx.x; i < num_words; i += blockDim.x) {
        const int last = tokens[starts[i + 1] - 1];
        const int length = starts[i + 1] - starts[i] - 1;
        if (slice.has(last) && ends_with(of, tokens + starts[i], length)) {
            processed[last] = minus_infinity();
        }
    }
}

// Called by all threads of a block; they may read the slice of `processed` when it returns.
__device__ __forceinline__ void apply_rules(const RuleRow& of, const float* logits,
                                            float* processed, Slice slice)
{
    penalise_and_mask(of, logits, processed, slice);
    __syncthreads();
    if (of.num_assumed > 0 && of.row.params[PARAM_HAS_PENALTIES]) {
        penalise_drafts(of, logits, processed, slice);
        __syncthreads();
    }
    add_biases(of, processed, slice);
    __syncthreads();
    ban_early_ends(of, processed, slice);
    ban_bad_words(of, processed, slice);
    __syncthreads();
}
