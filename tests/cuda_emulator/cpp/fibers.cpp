// Stacks, and the switch between them.
//
// The C library has swapcontext(), but it asks the system to change the signal mask each time. By
// hand it is a push of the six registers that a called function must leave as they were.
#include "fibers.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

namespace emulator {

namespace {

constexpr size_t PAGE_BYTES = 4096;
constexpr size_t STACK_BYTES = 128 << 10;
// Equal addresses modulo a page share a place in the processor's first cache: spread the stacks.
constexpr size_t SPREAD_BYTES = 192;
constexpr size_t NUM_SPREAD = 20;

char* stacks = nullptr;
unsigned num_reserved = 0;

char* top_of(unsigned number)
{
    return stacks + (number + 1) * STACK_BYTES - number % NUM_SPREAD * SPREAD_BYTES;
}

}  // namespace

bool reserve_stacks(unsigned num_stacks)
{
    if (num_stacks <= num_reserved) {
        return true;
    }
    if (stacks != nullptr) {
        munmap(stacks, num_reserved * STACK_BYTES);
    }
    constexpr int FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* memory = mmap(nullptr, num_stacks * STACK_BYTES, PROT_READ | PROT_WRITE, FLAGS, -1, 0);
    if (memory == MAP_FAILED) {
        num_reserved = 0;
        stacks = nullptr;
        return false;
    }
    stacks = static_cast<char*>(memory);
    num_reserved = num_stacks;
    for (unsigned number = 0; number < num_stacks; ++number) {
        mprotect(stacks + number * STACK_BYTES, PAGE_BYTES, PROT_NONE);
    }
    return true;
}

#if !defined(EMULATOR_USES_UCONTEXT)

extern "C" void emulator_switch_stack(void** save_stack_pointer, void* stack_pointer);

asm(R"(
.text
.globl emulator_switch_stack
.hidden emulator_switch_stack
.type emulator_switch_stack, @function
emulator_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_switch_stack, . - emulator_switch_stack
)");

// The stack as the switch expects it: six registers, then where to go. Above stands a return
// address that is never used; with it the stack is aligned as after a call.
void prepare_fiber(Fiber& fiber, unsigned number, void (*entry)())
{
    constexpr int NUM_REGISTERS = 6;
    auto* words = reinterpret_cast<uintptr_t*>(top_of(number)) - 8;
    words[-1] = 0;
    words[-2] = reinterpret_cast<uintptr_t>(entry);
    memset(words - 2 - NUM_REGISTERS, 0, NUM_REGISTERS * sizeof(uintptr_t));
    fiber.stack_pointer = words - 2 - NUM_REGISTERS;
}

void switch_fiber(Fiber& from, Fiber& to)
{
    emulator_switch_stack(&from.stack_pointer, to.stack_pointer);
}

#else

void prepare_fiber(Fiber& fiber, unsigned number, void (*entry)())
{
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stacks + number * STACK_BYTES;
    fiber.context.uc_stack.ss_size = STACK_BYTES;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, entry, 0);
}

void switch_fiber(Fiber& from, Fiber& to)
{
    swapcontext(&from.context, &to.context);
}

#endif

}  // namespace emulator
