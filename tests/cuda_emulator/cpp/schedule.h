// Schedule: in which order blocks, warps and lanes get their turns.
//
//   order 0     forward; a warp keeps its turn as long as one of its lanes can run
//   order 1     the same backward, and asynchronous copies are done at once
//   order 2...  blocks, warps and the lanes of each warp shuffled, differently for each number; odd
//               ones do asynchronous copies at once, and pass the turn on to another warp whenever
//               a thread waits
//
// A kernel whose result depends on the order lacks a barrier.
#pragma once

#include "threads.h"

namespace emulator {

class Schedule {
  public:
    void start_launch(uint64_t order, uint64_t num_blocks, unsigned num_warps);

    uint64_t block_at(uint64_t turn) const;

    // Before each block: shuffles which warp has which turn, and which lane within each warp.
    void start_block();

    unsigned warp_at(unsigned turn) const
    {
        return warps_[turn];
    }

    unsigned lane_at(unsigned warp, unsigned turn) const
    {
        return lanes_[warp][turn];
    }

    bool copies_are_early() const
    {
        return order_ % 2 == 1;
    }

    bool warps_alternate() const
    {
        return is_shuffled() && order_ % 2 == 1;
    }

  private:
    bool is_shuffled() const
    {
        return order_ >= 2;
    }

    uint64_t random_below(uint64_t limit);
    void arrange(unsigned char* places, unsigned num_places);

    uint64_t order_ = 0;
    uint64_t random_state_ = 0;
    uint64_t num_blocks_ = 0;
    uint64_t block_stride_ = 1;
    unsigned num_warps_ = 0;
    unsigned char warps_[MAX_WARPS] = {};
    unsigned char lanes_[MAX_WARPS][WARP_SIZE] = {};
};

}  // namespace emulator
