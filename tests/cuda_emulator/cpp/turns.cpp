// Turns: which thread runs next.
//
// A thread keeps running until it waits. Then the schedule's next lane of the same warp has the
// turn, or of the next warp where none of this warp can run. If nobody can run but some wait, they
// wait for each other: a deadlock.
#include <stdio.h>

#include "scheduler.h"

namespace emulator {

Thread* running = nullptr;
Scheduler scheduler;

namespace {

// The first set bit after bit `last`, from the beginning where there is none. `bits` is not 0.
unsigned next_bit(uint32_t bits, unsigned last)
{
    const uint32_t later = bits & ~((2u << last) - 1);
    return __builtin_ctz(later != 0 ? later : bits);
}

// Null if no thread can run.
FiberThread* take_next(unsigned warp_turn, unsigned lane_turn)
{
    if (scheduler.ready_warps == 0) {
        return nullptr;
    }
    if (scheduler.schedule.warps_alternate() || scheduler.ready_lanes[warp_turn] == 0) {
        warp_turn = next_bit(scheduler.ready_warps, warp_turn);
    }
    lane_turn = next_bit(scheduler.ready_lanes[warp_turn], lane_turn);
    scheduler.ready_lanes[warp_turn] &= ~(1u << lane_turn);
    if (scheduler.ready_lanes[warp_turn] == 0) {
        scheduler.ready_warps &= ~(1u << warp_turn);
    }
    return scheduler.by_turn[warp_turn][lane_turn];
}

// Says how many threads wait, and where the first of them does.
[[noreturn]] void report_deadlock()
{
    const FiberThread* first = nullptr;
    unsigned num_waiting = 0;
    for (unsigned i = 0; i < scheduler.num_threads; ++i) {
        const FiberThread& thread = scheduler.threads[i];
        if (thread.waits_in != nullptr) {
            first = first == nullptr ? &thread : first;
            ++num_waiting;
        }
    }
    char what[160];
    snprintf(what, sizeof what, "deadlock: %u threads wait for others that never come, one in %s",
             num_waiting, first->waits_in);
    fail(what, *first);
}

void run_another()
{
    FiberThread& from = running_thread();
    FiberThread* to = take_next(from.warp_turn, from.lane_turn);
    if (to == nullptr && scheduler.num_live != 0) {
        report_deadlock();
    }
    if (to == nullptr) {
        switch_fiber(from.fiber, scheduler.launcher);
    } else if (to != &from) {
        running = to;
        switch_fiber(from.fiber, to->fiber);
    }
}

}  // namespace

void make_ready(FiberThread& thread)
{
    thread.waits_in = nullptr;
    scheduler.ready_lanes[thread.warp_turn] |= 1u << thread.lane_turn;
    scheduler.ready_warps |= 1u << thread.warp_turn;
}

void run_threads()
{
    FiberThread* first = take_next(MAX_WARPS - 1, WARP_SIZE - 1);
    running = first;
    switch_fiber(scheduler.launcher, first->fiber);
}

void wait_in(const char* name)
{
    running_thread().waits_in = name;
    run_another();
}

void finish_thread()
{
    const FiberThread& thread = running_thread();
    scheduler.warps[thread.warp].live &= ~(1u << thread.lane);
    scheduler.num_live -= 1;
    leave_meetings();
    run_another();
    __builtin_unreachable();
}

}  // namespace emulator
