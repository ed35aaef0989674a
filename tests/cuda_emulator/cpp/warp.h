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
void serve_shuffle(void* const requests[WARP_SIZE], uint32_t mask)
{
    for (unsigned lane = 0; lane < WARP_SIZE; ++lane) {
        if (mask >> lane & 1) {
            auto* mine = static_cast<Shuffle<T>*>(requests[lane]);
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
    Shuffle<T> request{value, is_inside ? source : lane, value};
    if (!(mask >> request.source & 1)) {
        fail("a shuffle reads a lane outside its mask", site);
    }
    meet_warp(name, mask, &request, serve_shuffle<T>, site);
    return request.result;
}

struct Vote {
    bool is_set;
    uint32_t ballot;
};

inline void serve_vote(void* const requests[WARP_SIZE], uint32_t mask)
{
    uint32_t ballot = 0;
    for (unsigned lane = 0; lane < WARP_SIZE; ++lane) {
        if ((mask >> lane & 1) && static_cast<Vote*>(requests[lane])->is_set) {
            ballot |= 1u << lane;
        }
    }
    for (unsigned lane = 0; lane < WARP_SIZE; ++lane) {
        if (mask >> lane & 1) {
            static_cast<Vote*>(requests[lane])->ballot = ballot;
        }
    }
}

inline void serve_nothing(void* const*, uint32_t) {}

inline uint32_t vote(const char* name, uint32_t mask, bool is_set, Site site)
{
    Vote request{is_set, 0};
    meet_warp(name, mask, &request, serve_vote, site);
    return request.ballot;
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
    return emulator::vote("__ballot_sync", mask, is_set != 0, site);
}

inline int __any_sync(uint32_t mask, int is_set, emulator::Site site = emulator::here())
{
    return emulator::vote("__any_sync", mask, is_set != 0, site) != 0;
}

inline int __all_sync(uint32_t mask, int is_set, emulator::Site site = emulator::here())
{
    return emulator::vote("__all_sync", mask, is_set != 0, site) == mask;
}

inline void __syncwarp(uint32_t mask = 0xffffffffu, emulator::Site site = emulator::here())
{
    emulator::meet_warp("__syncwarp", mask, nullptr, emulator::serve_nothing, site);
}
