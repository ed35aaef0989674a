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

void Schedule::start_launch(uint64_t order, uint64_t num_blocks, unsigned num_threads)
{
    order_ = order;
    random_state_ = order;
    num_blocks_ = num_blocks;
    num_warps_ = (num_threads + WARP_SIZE - 1) / WARP_SIZE;
    block_factor_ = num_blocks / 2 + random_below(static_cast<unsigned>(num_blocks / 2 + 1));
    while (block_factor_ == 0 || common_divisor(block_factor_, num_blocks) != 1) {
        ++block_factor_;
    }
}

// A shuffle without a table: multiplying by a number that shares no divisor with the count.
uint64_t Schedule::block_at(uint64_t turn)
{
    if (order_ == 0) {
        return turn;
    }
    if (order_ == 1) {
        return num_blocks_ - 1 - turn;
    }
    return (turn * block_factor_ + order_) % num_blocks_;
}

void Schedule::start_block()
{
    arrange(warps_, num_warps_);
    for (unsigned warp = 0; warp < num_warps_; ++warp) {
        arrange(lanes_[warp], WARP_SIZE);
    }
}

// Knuth's linear congruential generator of 64 bits; its upper half is random enough for this.
unsigned Schedule::random_below(unsigned limit)
{
    random_state_ = random_state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<unsigned>((random_state_ >> 32) % limit);
}

void Schedule::arrange(unsigned char* places, unsigned num_places)
{
    for (unsigned i = 0; i < num_places; ++i) {
        places[i] = static_cast<unsigned char>(order_ == 1 ? num_places - 1 - i : i);
    }
    if (order_ < 2) {
        return;
    }
    for (unsigned i = num_places; i > 1; --i) {
        const unsigned j = random_below(i);
        const unsigned char swapped = places[j];
        places[j] = places[i - 1];
        places[i - 1] = swapped;
    }
}

}  // namespace emulator
