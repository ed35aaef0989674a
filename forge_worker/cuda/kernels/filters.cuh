// top-k, top-p and min-p: which tokens of a row may be drawn, as the last one that may.
//
// Each works on what the one before left, as in forge_worker/sampler/filters.py. Tokens are ordered
// by (logit - best) / temperature, of equal ones the lower first.
// Constants: PARAM_..., from device_tables.py.
#pragma once

#include "best_token.cuh"
#include "gumbel.cuh"
#include "select.cuh"

constexpr Order ANY_TOKEN = 0xffffffffull;
constexpr float REACH_FACTOR = 1.0001f;
constexpr float SMALLEST_REACH = 1e-30f;

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
    return static_cast<Order>(depth_of(floor)) << 32 | ANY_TOKEN;
}

// (logit - best) / temperature of every token.
struct TemperedRow {
    static constexpr bool HAS_IMPOSSIBLE = false;
    const float* logits;
    int vocab_size;
    float best;
    float temperature;

    // So many for one unit of logit, whatever the temperature makes of it.
    __device__ __forceinline__ float bins_per_unit() const { return BINS_PER_LOGIT * temperature; }
    __device__ __forceinline__ float tempered(float logit) const
    {
        return (logit - best) / temperature;
    }
    __device__ __forceinline__ Token at(int token, float logit) const
    {
        const float value = tempered(logit);
        return Token{value, order_of(value, token)};
    }
};

// A logit that may be drawn is not further below the best than this, which is a little too far.
__device__ __forceinline__ float reach_of(Order last, float temperature)
{
    const float depth = __uint_as_float(static_cast<uint32_t>(last >> 32));
    return depth * temperature * REACH_FACTOR + SMALLEST_REACH;
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
        mine += memory.bins.masses[bin];
    }
    return total_mass(mine, memory.sums);
}

__device__ __forceinline__ Order last_by_count(const TemperedRow& values, int top_k,
                                               SelectMemory& memory)
{
    survey<false>(values, memory.bins);
    return select<false>(values, Cut{static_cast<unsigned>(top_k), ANY_MASS}, memory).last;
}

__device__ __forceinline__ Order last_by_mass(const TemperedRow& values, int top_k, double top_p,
                                              SelectMemory& memory)
{
    survey<true>(values, memory.bins);
    Cut cut{static_cast<unsigned>(top_k), ANY_MASS};
    const bool is_cut = top_k < values.vocab_size;
    const Mass total = is_cut ? select<true>(values, cut, memory).mass : total_of_survey(memory);
    cut.mass = wanted_mass(top_p, total);
    return select<true>(values, cut, memory).last;
}

// Also that the token is not so far below the best that noise cannot make up for it.
__device__ __forceinline__ Order last_to_draw(const TemperedRow& values, SamplingRow row,
                                              SelectMemory& memory)
{
    const Order lowest = last_order_of(fmaxf(row.real(PARAM_LOG_MIN_P), -NOISE_RANGE));
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
