// The scheduler: runs the blocks of a grid one after another, and a block's threads by turns.
//
// A thread is a fiber. It keeps running until it waits; then `run_another` gives the turn to the next
// thread that can run. If there is none but some wait, they wait for each other: a deadlock.
#include <string.h>

#include <vector>

#include "async_copy.h"
#include "faults.h"
#include "fibers.h"
#include "launch.h"
#include "schedule.h"
#include "shared_memory.h"

namespace emulator {

Thread* running = nullptr;
Block block;

namespace {

struct FiberThread : Thread {
    Fiber fiber;
    const char* waits_in;  // "__syncthreads"; null while it can run, and once it returned
    Site site;
    unsigned warp_turn;
    unsigned lane_turn;
    std::vector<AsyncCopy> open_copies;
    std::vector<std::vector<AsyncCopy>> copy_groups;
};

struct Warp {
    uint32_t live;     // lanes that have not returned
    uint32_t waiting;  // lanes that wait in a meeting
    void* requests[WARP_SIZE];
    uint32_t masks[WARP_SIZE];
    Serve serves[WARP_SIZE];
};

struct BlockBarrier {
    unsigned num_waiting;
    int vote;
    Site site;
    const char* name;
    int (*combine)(int, int);
};

struct Scheduler {
    Schedule schedule;
    SharedMemory shared;
    Fiber launcher;  // the stack that Python called on
    const Request* request;
    const Work* work;
    unsigned num_threads;
    unsigned num_live;
    BlockBarrier barrier;
    int last_vote;
    FiberThread threads[MAX_THREADS];
    Warp warps[MAX_WARPS];
    // Who can run, in turns and not in numbers: bit t of ready_lanes[w] is lane turn t of warp turn w.
    FiberThread* by_turn[MAX_WARPS][WARP_SIZE];
    uint32_t ready_lanes[MAX_WARPS];
    uint32_t ready_warps;
};

Scheduler scheduler;

FiberThread& me()
{
    return *static_cast<FiberThread*>(running);
}

void make_ready(FiberThread& thread)
{
    thread.waits_in = nullptr;
    scheduler.ready_lanes[thread.warp_turn] |= 1u << thread.lane_turn;
    scheduler.ready_warps |= 1u << thread.warp_turn;
}

// The first set bit after bit `last`, around the corner where there is none. `bits` is not 0.
unsigned next_bit(uint32_t bits, unsigned last)
{
    const uint32_t later = bits & ~((2u << last) - 1);
    return __builtin_ctz(later != 0 ? later : bits);
}

FiberThread* take_next(unsigned warp_turn, unsigned lane_turn)
{
    if (scheduler.ready_warps == 0) {
        return nullptr;
    }
    const bool moves_on = scheduler.schedule.warps_alternate();
    if (moves_on || scheduler.ready_lanes[warp_turn] == 0) {
        warp_turn = next_bit(scheduler.ready_warps, warp_turn);
    }
    lane_turn = next_bit(scheduler.ready_lanes[warp_turn], lane_turn);
    scheduler.ready_lanes[warp_turn] &= ~(1u << lane_turn);
    if (scheduler.ready_lanes[warp_turn] == 0) {
        scheduler.ready_warps &= ~(1u << warp_turn);
    }
    return scheduler.by_turn[warp_turn][lane_turn];
}

// The name and place where the first waiting thread waits, and how many wait in all.
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
    const uint3 b = block.index;
    const uint3 t = first->index;
    give_up("deadlock in block (%u,%u,%u): %u threads wait for others that never come, "
            "thread (%u,%u,%u) in %s at %s:%d",
            b.x, b.y, b.z, num_waiting, t.x, t.y, t.z, first->waits_in, first->site.file,
            first->site.line);
}

// Returns when the thread that calls it has the turn again.
void run_another()
{
    FiberThread& from = me();
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

void wait_in(const char* name, Site site)
{
    me().waits_in = name;
    me().site = site;
    run_another();
}

void open_barrier()
{
    scheduler.last_vote = scheduler.barrier.vote;
    scheduler.barrier.num_waiting = 0;
    for (unsigned i = 0; i < scheduler.num_threads; ++i) {
        FiberThread& thread = scheduler.threads[i];
        if (thread.waits_in == scheduler.barrier.name) {
            make_ready(thread);
        }
    }
}

void check_same_barrier(const char* name, Site site)
{
    const BlockBarrier& barrier = scheduler.barrier;
    if (barrier.name != name || barrier.site.line != site.line ||
        strcmp(barrier.site.file, site.file) != 0) {
        const uint3 b = block.index;
        give_up("divergent barrier in block (%u,%u,%u): some threads are in %s at %s:%d, "
                "some in %s at %s:%d",
                b.x, b.y, b.z, barrier.name, barrier.site.file, barrier.site.line, name, site.file,
                site.line);
    }
}

// That all lanes which meet mean the same; their masks and what they ask for must agree.
void check_same_meeting(const Warp& warp, uint32_t mask, Serve serve, Site site)
{
    for (unsigned lane = 0; lane < WARP_SIZE; ++lane) {
        if ((mask >> lane & 1) && (warp.masks[lane] != mask || warp.serves[lane] != serve)) {
            fail("lanes of a warp meet with different masks or in different functions", site);
        }
    }
}

void run_thread()
{
    scheduler.work->call(scheduler.work->kernel, scheduler.request->slots);
    FiberThread& thread = me();
    scheduler.warps[thread.warp].live &= ~(1u << thread.lane);
    scheduler.num_live -= 1;
    if (scheduler.num_live != 0 && scheduler.barrier.num_waiting == scheduler.num_live) {
        open_barrier();  // who has returned is not waited for
    }
    run_another();
    __builtin_unreachable();
}

void start_thread(unsigned warp_turn, unsigned lane_turn)
{
    const unsigned warp = scheduler.schedule.warp_at(warp_turn);
    const unsigned lane = scheduler.schedule.lane_at(warp, lane_turn);
    const unsigned number = warp * WARP_SIZE + lane;
    if (number >= scheduler.num_threads) {
        return;
    }
    FiberThread& thread = scheduler.threads[number];
    const dim3 size = block.size;
    thread.index = {number % size.x, number / size.x % size.y, number / (size.x * size.y)};
    thread.number = number;
    thread.warp = warp;
    thread.lane = lane;
    thread.warp_turn = warp_turn;
    thread.lane_turn = lane_turn;
    thread.open_copies.clear();
    thread.copy_groups.clear();
    prepare_fiber(thread.fiber, number, run_thread);
    scheduler.by_turn[warp_turn][lane_turn] = &thread;
    scheduler.warps[warp].live |= 1u << lane;
    make_ready(thread);
}

void start_block(uint64_t number)
{
    const dim3 grid = block.grid;
    block.index = {static_cast<unsigned>(number % grid.x),
                   static_cast<unsigned>(number / grid.x % grid.y),
                   static_cast<unsigned>(number / (uint64_t(grid.x) * grid.y))};
    const unsigned num_warps = (scheduler.num_threads + WARP_SIZE - 1) / WARP_SIZE;
    scheduler.schedule.start_block();
    scheduler.num_live = scheduler.num_threads;
    scheduler.barrier = {};
    scheduler.ready_warps = 0;
    for (unsigned turn = 0; turn < num_warps; ++turn) {
        scheduler.warps[turn].live = 0;
        scheduler.warps[turn].waiting = 0;
        scheduler.ready_lanes[turn] = 0;
    }
    for (unsigned turn = 0; turn < num_warps; ++turn) {
        for (unsigned lane_turn = 0; lane_turn < WARP_SIZE; ++lane_turn) {
            start_thread(turn, lane_turn);
        }
    }
}

void run_block(uint64_t number)
{
    const uint64_t shared_bytes = scheduler.request->shared_bytes;
    scheduler.shared.poison(shared_bytes);
    start_block(number);
    FiberThread* first = take_next(MAX_WARPS - 1, WARP_SIZE - 1);
    running = first;
    switch_fiber(scheduler.launcher, first->fiber);
    if (!scheduler.shared.is_canary_intact(shared_bytes)) {
        const uint3 b = block.index;
        give_up("block (%u,%u,%u) wrote behind its %llu bytes of dynamic shared memory", b.x, b.y,
                b.z, static_cast<unsigned long long>(shared_bytes));
    }
}

const char* refusal(const Request& request, const Work& work, uint64_t num_threads)
{
    if (num_threads == 0 || num_threads > MAX_THREADS) {
        return "a block must have 1 to 1024 threads";
    }
    if (work.max_threads != 0 && num_threads > work.max_threads) {
        return "more threads in a block than __launch_bounds__ allows";
    }
    if (request.grid[0] == 0 || request.grid[1] == 0 || request.grid[2] == 0) {
        return "a grid must have at least one block";
    }
    if (request.grid[1] > 65535 || request.grid[2] > 65535) {
        return "a grid has at most 65535 blocks in y and z";
    }
    if (request.shared_bytes > MAX_SHARED_BYTES) {
        return "more dynamic shared memory than a block may have";
    }
    return nullptr;
}

}  // namespace

void meet_block(const char* name, int& vote, int (*combine)(int, int), Site site)
{
    BlockBarrier& barrier = scheduler.barrier;
    if (barrier.num_waiting == 0) {
        barrier = {0, vote, site, name, combine};
    } else {
        check_same_barrier(name, site);
        barrier.vote = combine(barrier.vote, vote);
    }
    barrier.num_waiting += 1;
    if (barrier.num_waiting == scheduler.num_live) {
        open_barrier();
    } else {
        wait_in(name, site);
    }
    vote = scheduler.last_vote;
}

void meet_warp(const char* name, uint32_t mask, void* request, Serve serve, Site site)
{
    const unsigned lane = running->lane;
    Warp& warp = scheduler.warps[running->warp];
    if (!(mask >> lane & 1)) {
        fail("a lane brings a mask that leaves it out", site);
    }
    if ((mask & ~warp.live) != 0) {
        fail("a mask names a lane that has returned", site);
    }
    warp.requests[lane] = request;
    warp.masks[lane] = mask;
    warp.serves[lane] = serve;
    warp.waiting |= 1u << lane;
    if ((warp.waiting & mask) != mask) {
        wait_in(name, site);
        return;
    }
    check_same_meeting(warp, mask, serve, site);
    serve(warp.requests, mask);
    warp.waiting &= ~mask;
    const unsigned first = running->warp * WARP_SIZE;
    for (uint32_t others = mask & ~(1u << lane); others != 0; others &= others - 1) {
        make_ready(scheduler.threads[first + __builtin_ctz(others)]);
    }
}

bool is_shared(const void* address)
{
    return scheduler.shared.contains(address);
}

void start_copy(AsyncCopy copy, Site site)
{
    const auto target = reinterpret_cast<uintptr_t>(copy.target);
    const auto source = copy.is_wanted ? reinterpret_cast<uintptr_t>(copy.source) : 0;
    if ((target | source) % 16 != 0) {
        fail("misaligned access: an asynchronous copy is not aligned to 16 bytes", site);
    }
    if (!is_shared(copy.target)) {
        fail("an asynchronous copy goes outside shared memory", site);
    }
    if (scheduler.schedule.copies_are_early()) {
        copy.is_wanted ? memcpy(copy.target, copy.source, 16) : memset(copy.target, 0, 16);
    } else {
        me().open_copies.push_back(copy);
    }
}

void commit_copies()
{
    me().copy_groups.push_back(me().open_copies);
    me().open_copies.clear();
}

void wait_for_copies(unsigned num_groups_left)
{
    auto& groups = me().copy_groups;
    while (groups.size() > num_groups_left) {
        for (const AsyncCopy& copy : groups.front()) {
            copy.is_wanted ? memcpy(copy.target, copy.source, 16) : memset(copy.target, 0, 16);
        }
        groups.erase(groups.begin());
    }
}

const char* run_grid(const Request& request, const Work& work)
{
    const auto [x, y, z] = request.block;
    const char* reason = refusal(request, work, uint64_t(x) * y * z);
    if (reason != nullptr) {
        return reason;
    }
    scheduler.num_threads = x * y * z;
    if (!reserve_stacks(MAX_THREADS)) {
        return "no memory for the threads' stacks";
    }
    block.size = {x, y, z};
    block.grid = {request.grid[0], request.grid[1], request.grid[2]};
    scheduler.request = &request;
    scheduler.work = &work;
    scheduler.shared.find(work.shared);
    const uint64_t num_blocks = uint64_t(request.grid[0]) * request.grid[1] * request.grid[2];
    scheduler.schedule.start_launch(request.order, num_blocks, scheduler.num_threads);
    FaultHandlers handlers;
    if (sigsetjmp(after_fault, 1) != 0) {
        return fault_sentence();
    }
    for (uint64_t turn = 0; turn < num_blocks; ++turn) {
        run_block(scheduler.schedule.block_at(turn));
    }
    return nullptr;
}

}  // namespace emulator
