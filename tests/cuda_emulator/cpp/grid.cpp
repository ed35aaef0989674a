// A launch: the blocks of a grid one after another, each from freshly poisoned shared memory.
#include "faults.h"
#include "scheduler.h"

namespace emulator {

Block block;

namespace {

constexpr unsigned MAX_GRID_Y_OR_Z = 65535;

void run_thread()
{
    scheduler.work->call(scheduler.work->kernel, scheduler.request->slots);
    finish_thread();
}

unsigned num_warps()
{
    return (scheduler.num_threads + WARP_SIZE - 1) / WARP_SIZE;
}

void start_thread(FiberThread& thread, unsigned warp_turn, unsigned lane_turn)
{
    thread.warp_turn = warp_turn;
    thread.lane_turn = lane_turn;
    thread.open_copies.clear();
    thread.copy_groups.clear();
    prepare_fiber(thread.fiber, thread.number, run_thread);
    scheduler.by_turn[warp_turn][lane_turn] = &thread;
    scheduler.warps[thread.warp].live |= 1u << thread.lane;
    make_ready(thread);
}

void start_warp(unsigned warp_turn)
{
    const unsigned warp = scheduler.schedule.warp_at(warp_turn);
    scheduler.warps[warp].live = 0;
    scheduler.warps[warp].waiting = 0;
    scheduler.ready_lanes[warp_turn] = 0;
    for (unsigned lane_turn = 0; lane_turn < WARP_SIZE; ++lane_turn) {
        const unsigned number = warp * WARP_SIZE + scheduler.schedule.lane_at(warp, lane_turn);
        if (number < scheduler.num_threads) {
            start_thread(scheduler.threads[number], warp_turn, lane_turn);
        }
    }
}

uint3 block_index(uint64_t number)
{
    const dim3 grid = block.grid;
    const uint64_t row = number / grid.x;
    return {static_cast<unsigned>(number % grid.x), static_cast<unsigned>(row % grid.y),
            static_cast<unsigned>(row / grid.y)};
}

void run_block(uint64_t number)
{
    const uint64_t shared_bytes = scheduler.request->shared_bytes;
    block.index = block_index(number);
    scheduler.shared.poison(shared_bytes);
    scheduler.schedule.start_block();
    scheduler.num_live = scheduler.num_threads;
    scheduler.barrier = {};
    scheduler.ready_warps = 0;
    for (unsigned turn = 0; turn < num_warps(); ++turn) {
        start_warp(turn);
    }
    run_threads();
    if (!scheduler.shared.is_canary_intact(shared_bytes)) {
        const uint3 b = block.index;
        give_up("block (%u,%u,%u) wrote behind its %llu bytes of dynamic shared memory", b.x, b.y,
                b.z, static_cast<unsigned long long>(shared_bytes));
    }
}

// What the driver would refuse. Null if it would not.
const char* refusal(const Request& request, const Work& work)
{
    const auto [x, y, z] = request.block;
    const uint64_t num_threads = uint64_t(x) * y * z;
    const auto [blocks_x, blocks_y, blocks_z] = request.grid;
    if (num_threads == 0 || num_threads > MAX_THREADS) {
        return "a block has 1 to 1024 threads";
    }
    if (work.max_threads != 0 && num_threads > work.max_threads) {
        return "more threads in a block than __launch_bounds__ allows";
    }
    if (blocks_x == 0 || blocks_y == 0 || blocks_z == 0) {
        return "a grid has at least one block";
    }
    if (blocks_y > MAX_GRID_Y_OR_Z || blocks_z > MAX_GRID_Y_OR_Z) {
        return "a grid has at most 65535 blocks in y and z";
    }
    if (request.shared_bytes > MAX_SHARED_BYTES) {
        return "more dynamic shared memory than a block can have";
    }
    return nullptr;
}

// threadIdx of every thread; it stays from block to block.
void number_threads()
{
    const dim3 size = block.size;
    for (unsigned number = 0; number < scheduler.num_threads; ++number) {
        FiberThread& thread = scheduler.threads[number];
        thread.index = {number % size.x, number / size.x % size.y, number / (size.x * size.y)};
        thread.number = number;
        thread.warp = number / WARP_SIZE;
        thread.lane = number % WARP_SIZE;
    }
}

}  // namespace

bool is_shared(const void* address)
{
    return scheduler.shared.contains(address);
}

const char* run_grid(const Request& request, const Work& work)
{
    const char* reason = refusal(request, work);
    if (reason != nullptr) {
        return reason;
    }
    if (!reserve_stacks(MAX_THREADS)) {
        return "no memory for the threads' stacks";
    }
    block.size = {request.block[0], request.block[1], request.block[2]};
    block.grid = {request.grid[0], request.grid[1], request.grid[2]};
    scheduler.request = &request;
    scheduler.work = &work;
    scheduler.num_threads = block.size.x * block.size.y * block.size.z;
    scheduler.shared.find(work.shared);
    number_threads();
    const uint64_t num_blocks = uint64_t(block.grid.x) * block.grid.y * block.grid.z;
    scheduler.schedule.start_launch(request.order, num_blocks, num_warps());
    FaultHandlers handlers(request.max_seconds);
    if (sigsetjmp(after_fault, 1) != 0) {
        return fault_sentence();
    }
    for (uint64_t turn = 0; turn < num_blocks; ++turn) {
        run_block(scheduler.schedule.block_at(turn));
    }
    return nullptr;
}

}  // namespace emulator
