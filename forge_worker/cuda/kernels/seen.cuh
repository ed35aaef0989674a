// How often a sequence has seen a token: 16 bits each. Bit 15 says that it stands in the prompt, the
// others count outputs and stay at 32767 once they are there.
#pragma once

#include "elements.cuh"

constexpr uint32_t IN_PROMPT = 0x8000u;
constexpr uint32_t MAX_OUTPUTS = 0x7fffu;

__device__ __forceinline__ uint32_t num_outputs_of(uint32_t seen)
{
    return seen & MAX_OUTPUTS;
}

__device__ __forceinline__ uint32_t with_output(uint32_t seen)
{
    return num_outputs_of(seen) == MAX_OUTPUTS ? seen : seen + 1;
}
