// A fiber: a function with a stack of its own, which can stop in the middle and go on later.
#pragma once

#include <stddef.h>

// Define EMULATOR_PORTABLE_FIBERS to have the slower switch on x86-64 too.
#if !defined(__x86_64__) || defined(EMULATOR_PORTABLE_FIBERS)
#define EMULATOR_USES_UCONTEXT
#endif

#if defined(EMULATOR_USES_UCONTEXT)
#include <ucontext.h>
#endif

namespace emulator {

struct Fiber {
#if !defined(EMULATOR_USES_UCONTEXT)
    void* stack_pointer;  // the registers that must survive lie there
#else
    ucontext_t context;
#endif
};

// Stacks [0, num_stacks) are there and keep their places; below each lies a page nobody may touch.
bool reserve_stacks(unsigned num_stacks);

// Lets the next switch to `fiber` call `entry`, which never returns, on stack `number`.
void prepare_fiber(Fiber& fiber, unsigned number, void (*entry)());

// Stops here, in `from`, and goes on where `to` stopped.
void switch_fiber(Fiber& from, Fiber& to);

}  // namespace emulator
