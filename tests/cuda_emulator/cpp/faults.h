// Faults: how a launch ends early, and the sentence that says why.
#pragma once

#include <setjmp.h>

#include "threads.h"

namespace emulator {

// Where the launch goes on when a thread gives up.
extern sigjmp_buf after_fault;

// The sentence of the last fault.
const char* fault_sentence();

// Writes the sentence, as printf would, and leaves the block for `after_fault`.
[[noreturn]] __attribute__((format(printf, 1, 2))) void give_up(const char* format, ...);

// The same, and adds which thread of the block it is, and the lines that `code` is made from.
[[noreturn]] void fail_at(const char* sentence, const Thread& thread, uintptr_t code);

// Of a call that would return to `return_address`.
inline uintptr_t code_before(const void* return_address)
{
    return reinterpret_cast<uintptr_t>(return_address) - 1;
}

// While it lives, a bad access by a kernel ends the launch and not the process; so does running for
// `max_seconds`.
class FaultHandlers {
  public:
    explicit FaultHandlers(uint64_t max_seconds);
    ~FaultHandlers();
    FaultHandlers(const FaultHandlers&) = delete;
    FaultHandlers& operator=(const FaultHandlers&) = delete;
};

}  // namespace emulator
