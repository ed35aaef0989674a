// The shared memory of a kernel library: all its thread_local variables, which lie in one piece.
#pragma once

#include "threads.h"

namespace emulator {

class SharedMemory {
  public:
    // `dynamic` is the library's own shared_memory[], somewhere in the piece.
    void find(unsigned char* dynamic);

    // NaN in every float format, so that reading before writing shows.
    void poison(uint64_t dynamic_bytes) const;

    // Whether nobody wrote behind the dynamic part.
    bool is_canary_intact(uint64_t dynamic_bytes) const;

    bool contains(const void* address) const;

  private:
    unsigned char* begin_ = nullptr;
    unsigned char* end_ = nullptr;
    unsigned char* dynamic_ = nullptr;
};

}  // namespace emulator
