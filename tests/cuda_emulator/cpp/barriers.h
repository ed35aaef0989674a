// Barriers of a block, with and without a vote, and fences.
//
// Fences do nothing here: with one thread running at a time every write is seen at once. That a
// fence is missing is therefore a fault the emulator cannot show.
#pragma once

#include "threads.h"

namespace emulator {

inline int combine_or(int a, int b)
{
    return a | b;
}

inline int combine_and(int a, int b)
{
    return a & b;
}

inline int combine_count(int a, int b)
{
    return a + b;
}

}  // namespace emulator

__forceinline__ void __syncthreads(emulator::Site site = emulator::here())
{
    emulator::meet_block("__syncthreads", 0, emulator::combine_or, site);
}

__forceinline__ int __syncthreads_or(int is_set, emulator::Site site = emulator::here())
{
    return emulator::meet_block("__syncthreads_or", is_set != 0, emulator::combine_or, site);
}

__forceinline__ int __syncthreads_and(int is_set, emulator::Site site = emulator::here())
{
    return emulator::meet_block("__syncthreads_and", is_set != 0, emulator::combine_and, site);
}

__forceinline__ int __syncthreads_count(int is_set, emulator::Site site = emulator::here())
{
    return emulator::meet_block("__syncthreads_count", is_set != 0, emulator::combine_count, site);
}

inline void __threadfence() {}

inline void __threadfence_block() {}

inline void __threadfence_system() {}
