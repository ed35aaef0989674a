#include "schedule.h"

namespace emulator {

namespace {

uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

}  // namespace

void Schedule::start_launch(uint64_t order, uint64_t num_blocks, unsigned num_warps)
{
    order_ = order;
    random_state_ = order;
    num_blocks_ = num_blocks;
    num_warps_ = num_warps;
    block_stride_ = 1 + random_below(num_blocks);
    while (common_divisor(block_stride_, num_blocks) != 1) {
        ++block_stride_;
    }
    if (!is_shuffled()) {
        start_block();  // the same for all
    }
}

// Shuffled without a table: steps of a length that shares no divisor with the number of blocks
// come by each block once.
uint64_t Schedule::block_at(uint64_t turn) const
{
    if (order_ == 0) {
        return turn;
    }
    if (order_ == 1) {
        return num_blocks_ - 1 - turn;
    }
    return (turn * block_stride_ + order_) % num_blocks_;
}

void Schedule::start_block()
{
    arrange(warps_, num_warps_);
    for (unsigned warp = 0; warp < num_warps_; ++warp) {
        arrange(lanes_[warp], WARP_SIZE);
    }
}

// Knuth's linear congruential generator of 64 bits; its upper half is random enough for this.
uint64_t Schedule::random_below(uint64_t limit)
{
    random_state_ = random_state_ * 6364136223846793005u + 1442695040888963407u;
    return (random_state_ >> 32) % limit;
}

void Schedule::arrange(unsigned char* places, unsigned num_places)
{
    for (unsigned i = 0; i < num_places; ++i) {
        places[i] = static_cast<unsigned char>(order_ == 1 ? num_places - 1 - i : i);
    }
    for (unsigned i = num_places; is_shuffled() && i > 1; --i) {
        const uint64_t j = random_below(i);
        const unsigned char swapped = places[j];
        places[j] = places[i - 1];
        places[i - 1] = swapped;
    }
}

}  // namespace emulator
