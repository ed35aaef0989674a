// Shuffles and votes: what the lanes of a warp tell each other.
#pragma once

#include "threads.h"

namespace emulator {

template <class T>
struct Shuffle {
    T value;
    int source;  // the lane to read from
    T result;
};

template <class T>
EMULATOR_SERVES void serve_shuffle(void* const requests[WARP_SIZE], uint32_t mask)
{
    for (unsigned lane = 0; lane < WARP_SIZE; ++lane) {
        if (mask >> lane & 1) {
            auto* mine = static_cast<Shuffle<T>*>(requests[lane]);
            if (!(mask >> mine->source & 1)) {
                refuse("a shuffle reads a lane outside its mask, or one that has returned", lane);
            }
            mine->result = static_cast<Shuffle<T>*>(requests[mine->source])->value;
        }
    }
}

// `source` may lie outside the segment of `width` lanes: then a lane reads itself, as CUDA has it.
template <class T>
__forceinline__ T shuffle(const char* name, uint32_t mask, T value, int source, int width)
{
    const int lane = running->lane;
    const int first = lane & ~(width - 1);
    const bool is_inside = source >= first && source < first + width;
    Shuffle<T> request{value, is_inside ? source : lane, value};
    meet_warp(name, mask, &request, serve_shuffle<T>);
    return request.result;
}

struct Vote {
    bool is_set;
    uint32_t ballot;  // of the lanes that voted yes
    uint32_t voters;
};

EMULATOR_SERVES inline void serve_vote(void* const requests[WARP_SIZE], uint32_t mask)
{
    uint32_t ballot = 0;
    for (unsigned lane = 0; lane < WARP_SIZE; ++lane) {
        if ((mask >> lane & 1) && static_cast<Vote*>(requests[lane])->is_set) {
            ballot |= 1u << lane;
        }
    }
    for (unsigned lane = 0; lane < WARP_SIZE; ++lane) {
        if (mask >> lane & 1) {
            auto* mine = static_cast<Vote*>(requests[lane]);
            mine->ballot = ballot;
            mine->voters = mask;
        }
    }
}

inline void serve_nothing(void* const*, uint32_t) {}

__forceinline__ Vote vote(const char* name, uint32_t mask, int is_set)
{
    Vote request{is_set != 0, 0, 0};
    meet_warp(name, mask, &request, serve_vote);
    return request;
}

}  // namespace emulator

template <class T>
__forceinline__ T __shfl_sync(uint32_t mask, T value, int lane, int width = 32)
{
    const int first = emulator::running->lane & ~(width - 1);
    const int source = first + (lane & (width - 1));
    return emulator::shuffle("__shfl_sync", mask, value, source, width);
}

template <class T>
__forceinline__ T __shfl_xor_sync(uint32_t mask, T value, int bits, int width = 32)
{
    const int source = emulator::running->lane ^ bits;
    return emulator::shuffle("__shfl_xor_sync", mask, value, source, width);
}

template <class T>
__forceinline__ T __shfl_down_sync(uint32_t mask, T value, unsigned distance, int width = 32)
{
    const int source = emulator::running->lane + distance;
    return emulator::shuffle("__shfl_down_sync", mask, value, source, width);
}

template <class T>
__forceinline__ T __shfl_up_sync(uint32_t mask, T value, unsigned distance, int width = 32)
{
    const int source = static_cast<int>(emulator::running->lane) - static_cast<int>(distance);
    return emulator::shuffle("__shfl_up_sync", mask, value, source, width);
}

__forceinline__ uint32_t __ballot_sync(uint32_t mask, int is_set)
{
    return emulator::vote("__ballot_sync", mask, is_set).ballot;
}

__forceinline__ int __any_sync(uint32_t mask, int is_set)
{
    return emulator::vote("__any_sync", mask, is_set).ballot != 0;
}

__forceinline__ int __all_sync(uint32_t mask, int is_set)
{
    const emulator::Vote vote = emulator::vote("__all_sync", mask, is_set);
    return vote.ballot == vote.voters;
}

// The lanes with this lane's value.
template <class T>
__forceinline__ uint32_t __match_any_sync(uint32_t mask, T value)
{
    uint32_t same = 0;
    for (int lane = 0; lane < 32; ++lane) {
        if (mask >> lane & 1) {
            const T other = __shfl_sync(mask, value, lane);
            same |= static_cast<uint32_t>(other == value) << lane;
        }
    }
    return same;
}

__forceinline__ void __syncwarp(uint32_t mask = emulator::ALL_LANES)
{
    emulator::meet_warp("__syncwarp", mask, nullptr, emulator::serve_nothing);
}
