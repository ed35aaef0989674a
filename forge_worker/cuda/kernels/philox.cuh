// Philox4x32-10 (Salmon et al. 2011): 128 random bits as a function of a counter and a key.
//
// The same bits as forge_worker/philox.py gives. Knows nothing of sampling.
#pragma once

#include "elements.cuh"

constexpr int PHILOX_ROUNDS = 10;
constexpr uint32_t PHILOX_MULTIPLIER_0 = 0xD2511F53u;
constexpr uint32_t PHILOX_MULTIPLIER_1 = 0xCD9E8D57u;
constexpr uint32_t PHILOX_WEYL_0 = 0x9E3779B9u;
constexpr uint32_t PHILOX_WEYL_1 = 0xBB67AE85u;

__device__ __forceinline__ uint4 philox4x32(uint4 counter, uint2 key)
{
#pragma unroll
    for (int round = 0; round < PHILOX_ROUNDS; ++round) {
        const uint32_t high_0 = __umulhi(PHILOX_MULTIPLIER_0, counter.x);
        const uint32_t high_1 = __umulhi(PHILOX_MULTIPLIER_1, counter.z);
        const uint32_t low_0 = PHILOX_MULTIPLIER_0 * counter.x;
        const uint32_t low_1 = PHILOX_MULTIPLIER_1 * counter.z;
        counter = make_uint4(high_1 ^ counter.y ^ key.x, low_1, high_0 ^ counter.w ^ key.y, low_0);
        key.x += PHILOX_WEYL_0;
        key.y += PHILOX_WEYL_1;
    }
    return counter;
}
