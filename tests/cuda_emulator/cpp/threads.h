// What kernels, built-ins and scheduler know of each other: threads, blocks, meetings and faults.
//
// One block runs at a time, and of its threads one at a time: `running`. It runs until it waits, at
// a barrier or for the other lanes of its warp; then the scheduler picks another (turns.cpp).
#pragma once

#include "vector_types.h"

namespace emulator {

constexpr unsigned WARP_SIZE = 32;
constexpr unsigned MAX_WARPS = 32;
constexpr unsigned MAX_THREADS = WARP_SIZE * MAX_WARPS;
constexpr uint32_t ALL_LANES = 0xffffffffu;
constexpr size_t MAX_SHARED_BYTES = 232448;  // of an sm_90 block: 227 KiB
constexpr size_t CANARY_BYTES = 1024;        // behind the dynamic shared memory of a launch

struct Thread {
    uint3 index;      // threadIdx
    unsigned number;  // counted through x, y, z
    unsigned warp;
    unsigned lane;
};

struct Block {
    uint3 index;  // blockIdx
    dim3 size;    // blockDim
    dim3 grid;    // gridDim
};

extern Thread* running;
extern Block block;

// A line of a kernel's source. As a default argument it is the caller's.
struct Site {
    const char* file;
    int line;
};

constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE())
{
    return {file, line};
}

// All threads of the block that have not returned meet here, and all from the same line. `combine`
// makes one of their votes.
using Combine = int (*)(int, int);

int meet_block(const char* name, int vote, Combine combine, Site site);

// What lanes of a warp do together. Each brings a request, which lies on its own stack; the last
// one to arrive serves the requests of all, so nobody can run ahead and overwrite a neighbour's.
// `mask` holds the lanes that are there: those asked for, less those that have returned.
using Serve = void (*)(void* const requests[WARP_SIZE], uint32_t mask);

// For functions that serve: they run often and their indices are right, so they go without the
// checks that kernels are compiled with.
#define EMULATOR_SERVES __attribute__((no_sanitize("undefined"), optimize("O3")))

void meet_warp(const char* name, uint32_t mask, void* request, Serve serve);

// Ends the launch, from within a function that serves: what `lane` asked for is at fault.
[[noreturn]] void refuse(const char* sentence, unsigned lane);

// Whether an address lies in shared memory, be it static or dynamic.
bool is_shared(const void* address);

}  // namespace emulator

#define threadIdx (emulator::running->index)
#define blockIdx (emulator::block.index)
#define blockDim (emulator::block.size)
#define gridDim (emulator::block.grid)
#define warpSize 32
