// Shuffles and votes: what the lanes of a warp tell each other.
#pragma once

#include "threads.h"

namespace emulator {

template <class T>
struct Shuffle {
    T value;
    int source;  // the lane to read from
    Site site;
    T result;
};

template <class T>
EMULATOR_SERVES void serve_shuffle(void* const requests[WARP_SIZE], uint32_t mask)
{
    for (unsigned lane = 0; lane < WARP_SIZE; ++lane) {
        if (mask >> lane & 1) {
            auto* mine = static_cast<Shuffle<T>*>(requests[lane]);
            if (!(mask >> mine->source & 1)) {
                fail("a shuffle reads a lane outside its mask, or one that has returned", mine->site);
            }
            mine->result = static_cast<Shuffle<T>*>(requests[mine->source])->value;
        }
    }
}

// `source` may lie outside the segment of `width` lanes: then a lane reads itself, as CUDA has it.
template <class T>
T shuffle(const char* name, uint32_t mask, T value, int source, int width, Site site)
{
    const int lane = running->lane;
    const int first = lane & ~(width - 1);
    const bool is_inside = source >= first && source < first + width;
    Shuffle<T> request{value, is_inside ? source : lane, site, value};
    meet_warp(name, mask, &request, serve_shuffle<T>, site);
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

inline Vote vote(const char* name, uint32_t mask, int is_set, Site site)
{
    Vote request{is_set != 0, 0, 0};
    meet_warp(name, mask, &request, serve_vote, site);
    return request;
}

}  // namespace emulator

template <class T>
T __shfl_sync(uint32_t mask, T value, int lane, int width = 32, emulator::Site site = emulator::here())
{
    const int first = emulator::running->lane & ~(width - 1);
    const int source = first + (lane & (width - 1));
    return emulator::shuffle("__shfl_sync", mask, value, source, width, site);
}

template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int bits, int width = 32,
                  emulator::Site site = emulator::here())
{
    const int source = emulator::running->lane ^ bits;
    return emulator::shuffle("__shfl_xor_sync", mask, value, source, width, site);
}

template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned distance, int width = 32,
                   emulator::Site site = emulator::here())
{
    const int source = emulator::running->lane + distance;
    return emulator::shuffle("__shfl_down_sync", mask, value, source, width, site);
}

template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned distance, int width = 32,
                 emulator::Site site = emulator::here())
{
    const int source = static_cast<int>(emulator::running->lane) - static_cast<int>(distance);
    return emulator::shuffle("__shfl_up_sync", mask, value, source, width, site);
}

inline uint32_t __ballot_sync(uint32_t mask, int is_set, emulator::Site site = emulator::here())
{
    return emulator::vote("__ballot_sync", mask, is_set, site).ballot;
}

inline int __any_sync(uint32_t mask, int is_set, emulator::Site site = emulator::here())
{
    return emulator::vote("__any_sync", mask, is_set, site).ballot != 0;
}

inline int __all_sync(uint32_t mask, int is_set, emulator::Site site = emulator::here())
{
    const emulator::Vote vote = emulator::vote("__all_sync", mask, is_set, site);
    return vote.ballot == vote.voters;
}

// The lanes with this lane's value.
template <class T>
uint32_t __match_any_sync(uint32_t mask, T value, emulator::Site site = emulator::here())
{
    uint32_t same = 0;
    for (int lane = 0; lane < 32; ++lane) {
        if (mask >> lane & 1) {
            const T other = __shfl_sync(mask, value, lane, 32, site);
            same |= static_cast<uint32_t>(other == value) << lane;
        }
    }
    return same;
}

inline void __syncwarp(uint32_t mask = emulator::ALL_LANES, emulator::Site site = emulator::here())
{
    emulator::meet_warp("__syncwarp", mask, nullptr, emulator::serve_nothing, site);
}
