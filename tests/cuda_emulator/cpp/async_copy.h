// cp.async: copies from global to shared memory that arrive some time before the wait that asks for
// them. Schedules do them at one end of that time or the other: late, so that a missing wait reads
// the NaN that shared memory was filled with; or at once, so that a buffer which is filled while
// another warp still reads it shows.
#pragma once

#include "threads.h"

namespace emulator {

struct AsyncCopy {
    void* target;
    const void* source;
    bool is_wanted;  // else zeros
    size_t num_bytes;
};

void start_copy(AsyncCopy copy);
void commit_copies();
void wait_for_copies(unsigned max_groups_left);

}  // namespace emulator
