// Meetings: the barrier of a block, and what the lanes of a warp do together.
#include <stdio.h>
#include <string.h>

#include "scheduler.h"

namespace emulator {

namespace {

// ---------------------------------------------------------------- the block's barrier

void open_barrier()
{
    Barrier& barrier = scheduler.barrier;
    scheduler.last_vote = barrier.vote;
    barrier.num_waiting = 0;
    for (unsigned i = 0; i < scheduler.num_threads; ++i) {
        FiberThread& thread = scheduler.threads[i];
        if (thread.waits_in == barrier.name) {
            make_ready(thread);
        }
    }
}

// A GPU would let threads meet at two different barriers, by chance, and go on out of step.
void check_same_barrier(const char* name, Site site)
{
    const Barrier& barrier = scheduler.barrier;
    const bool is_same_line = barrier.site.line == site.line && barrier.name == name;
    if (!is_same_line || strcmp(barrier.site.file, site.file) != 0) {
        char what[400];
        snprintf(what, sizeof what, "divergent barrier: others wait in %s at %s:%d", barrier.name,
                 barrier.site.file, barrier.site.line);
        fail(what, running_thread());
    }
}

// ---------------------------------------------------------------- meetings of a warp

void check_same_meeting(const Warp& warp, uint32_t present, unsigned lane)
{
    for (uint32_t others = present; others != 0; others &= others - 1) {
        const unsigned other = __builtin_ctz(others);
        if (warp.masks[other] != warp.masks[lane] || warp.serves[other] != warp.serves[lane]) {
            refuse("lanes of a warp meet with different masks, or in different functions", lane);
        }
    }
}

// Whether all whom `lane` waits for are there. If so, everybody gets what they came for.
bool finish_meeting(unsigned warp_number, unsigned lane)
{
    Warp& warp = scheduler.warps[warp_number];
    const uint32_t present = warp.masks[lane] & warp.live;
    if ((warp.waiting & present) != present) {
        return false;
    }
    check_same_meeting(warp, present, lane);
    warp.serves[lane](warp.requests, present);
    warp.waiting &= ~present;
    for (uint32_t others = present; others != 0; others &= others - 1) {
        FiberThread& thread = scheduler.threads[warp_number * WARP_SIZE + __builtin_ctz(others)];
        if (&thread != running) {
            make_ready(thread);
        }
    }
    return true;
}

}  // namespace

int meet_block(const char* name, int vote, Combine combine, Site site)
{
    Barrier& barrier = scheduler.barrier;
    running_thread().code = code_before(__builtin_return_address(0));
    if (barrier.num_waiting == 0) {
        barrier = {0, vote, name, site};
    } else {
        check_same_barrier(name, site);
        barrier.vote = combine(barrier.vote, vote);
    }
    barrier.num_waiting += 1;
    if (barrier.num_waiting == scheduler.num_live) {
        open_barrier();
    } else {
        wait_in(name);
    }
    return scheduler.last_vote;
}

void meet_warp(const char* name, uint32_t mask, void* request, Serve serve)
{
    const unsigned lane = running->lane;
    Warp& warp = scheduler.warps[running->warp];
    running_thread().code = code_before(__builtin_return_address(0));
    if (!(mask >> lane & 1)) {
        fail("a lane brings a mask that leaves it out", running_thread());
    }
    warp.requests[lane] = request;
    warp.masks[lane] = mask;
    warp.serves[lane] = serve;
    warp.waiting |= 1u << lane;
    if (!finish_meeting(running->warp, lane)) {
        wait_in(name);
    }
}

void refuse(const char* sentence, unsigned lane)
{
    fail(sentence, scheduler.threads[running->warp * WARP_SIZE + lane]);
}

// CUDA waits for those who have not returned, at barriers and in warps alike.
void leave_meetings()
{
    if (scheduler.num_live != 0 && scheduler.barrier.num_waiting == scheduler.num_live) {
        open_barrier();
    }
    const Warp& warp = scheduler.warps[running->warp];
    for (unsigned lane = 0; lane < WARP_SIZE; ++lane) {
        const bool is_waiting = warp.waiting >> lane & 1;
        if (is_waiting && (warp.masks[lane] >> running->lane & 1)) {
            finish_meeting(running->warp, lane);
        }
    }
}

}  // namespace emulator
