// What the parts of the scheduler share; kernels never see it.
//
//   grid.cpp      a launch: block after block
//   turns.cpp     which thread runs next
//   meetings.cpp  where threads wait for each other
#pragma once

#include <vector>

#include "async_copy.h"
#include "faults.h"
#include "fibers.h"
#include "launch.h"
#include "schedule.h"
#include "shared_memory.h"
#include "threads.h"

namespace emulator {

// A group is what one commit closed.
using CopyGroup = std::vector<AsyncCopy>;

struct FiberThread : Thread {
    Fiber fiber;
    const char* waits_in;  // "__syncthreads"; null while it can run, and once it returned
    uintptr_t code;        // where in the kernel it last called the emulator
    unsigned warp_turn;
    unsigned lane_turn;
    CopyGroup open_copies;
    std::vector<CopyGroup> copy_groups;
};

struct Warp {
    uint32_t live;     // lanes that have not returned
    uint32_t waiting;  // lanes that wait in a meeting
    void* requests[WARP_SIZE];
    uint32_t masks[WARP_SIZE];
    Serve serves[WARP_SIZE];
};

struct Barrier {
    unsigned num_waiting;
    int vote;
    const char* name;
    Site site;  // of the first to wait
};

struct Scheduler {
    Schedule schedule;
    SharedMemory shared;
    Fiber launcher;  // the stack that Python called on
    const Request* request;
    const Work* work;
    unsigned num_threads;
    unsigned num_live;  // threads that have not returned
    Barrier barrier;
    int last_vote;
    FiberThread threads[MAX_THREADS];
    Warp warps[MAX_WARPS];
    // Who can run, by turn and not by number: bit l of ready_lanes[w] is lane l of warp w.
    FiberThread* by_turn[MAX_WARPS][WARP_SIZE];
    uint32_t ready_lanes[MAX_WARPS];
    uint32_t ready_warps;
};

extern Scheduler scheduler;

inline FiberThread& running_thread()
{
    return *static_cast<FiberThread*>(running);
}

// Ends the launch because of what `thread` last called.
[[noreturn]] inline void fail(const char* sentence, const FiberThread& thread)
{
    fail_at(sentence, thread, thread.code);
}

void make_ready(FiberThread& thread);

// Starts the block's first thread; returns when all have returned.
void run_threads();

// Lets others run; returns when the thread that calls it is ready and has the turn again.
void wait_in(const char* name);

// The thread that calls it is done. Whoever waited only for it is ready.
[[noreturn]] void finish_thread();

// Part of finish_thread: meetings that the running thread is no longer missed in.
void leave_meetings();

}  // namespace emulator
