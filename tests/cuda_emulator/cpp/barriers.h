// Barriers of a block, with and without a vote, and fences.
//
// Fences do nothing here: with one thread running at a time every write is seen at once. That a
// fence is missing is therefore a fault the emulator cannot show.
#pragma once

#include "threads.h"

namespace emulator {

inline int combine_or(int a, int b)
{
    return (a != 0) | (b != 0);
}

inline int combine_and(int a, int b)
{
    return (a != 0) & (b != 0);
}

inline int combine_count(int a, int b)
{
    return a + b;
}

}  // namespace emulator

inline void __syncthreads(emulator::Site site = emulator::here())
{
    int vote = 0;
    emulator::meet_block("__syncthreads", vote, emulator::combine_or, site);
}

inline int __syncthreads_or(int is_set, emulator::Site site = emulator::here())
{
    int vote = is_set != 0;
    emulator::meet_block("__syncthreads_or", vote, emulator::combine_or, site);
    return vote;
}

inline int __syncthreads_and(int is_set, emulator::Site site = emulator::here())
{
    int vote = is_set != 0;
    emulator::meet_block("__syncthreads_and", vote, emulator::combine_and, site);
    return vote;
}

inline int __syncthreads_count(int is_set, emulator::Site site = emulator::here())
{
    int vote = is_set != 0;
    emulator::meet_block("__syncthreads_count", vote, emulator::combine_count, site);
    return vote;
}

inline void __threadfence() {}

inline void __threadfence_block() {}

inline void __threadfence_system() {}
