// A bad access arrives as a signal. The handler runs on a stack of its own, because the thread's may
// be what overflowed, and jumps back into the launch: nothing of the block is worth finishing.
#include "faults.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

namespace emulator {

sigjmp_buf after_fault;

namespace {

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
constexpr int NUM_SIGNALS = sizeof SIGNALS / sizeof SIGNALS[0];
constexpr size_t HANDLER_STACK_BYTES = 64 << 10;

char sentence[512];
alignas(16) char handler_stack[HANDLER_STACK_BYTES];
struct sigaction former_actions[NUM_SIGNALS];
stack_t former_stack;

const char* fault_name(int signal_number)
{
    switch (signal_number) {
        case SIGFPE:
            return "integer division by zero";
        case SIGILL:
            return "illegal instruction";
        default:
            return "illegal address";
    }
}

void on_signal(int signal_number, siginfo_t* information, void*)
{
    const uint3 b = block.index;
    const uint3 t = running->index;
    snprintf(sentence, sizeof sentence, "%s %p in block (%u,%u,%u), thread (%u,%u,%u)",
             fault_name(signal_number), information->si_addr, b.x, b.y, b.z, t.x, t.y, t.z);
    siglongjmp(after_fault, 1);
}

}  // namespace

const char* fault_sentence()
{
    return sentence;
}

void give_up(const char* format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(sentence, sizeof sentence, format, values);
    va_end(values);
    siglongjmp(after_fault, 1);
}

void fail(const char* what, Site site)
{
    const uint3 b = block.index;
    const uint3 t = running->index;
    give_up("%s, at %s:%d in block (%u,%u,%u), thread (%u,%u,%u)", what, site.file, site.line, b.x,
            b.y, b.z, t.x, t.y, t.z);
}

FaultHandlers::FaultHandlers()
{
    stack_t stack = {};
    stack.ss_sp = handler_stack;
    stack.ss_size = sizeof handler_stack;
    sigaltstack(&stack, &former_stack);
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < NUM_SIGNALS; ++i) {
        sigaction(SIGNALS[i], &action, &former_actions[i]);
    }
}

FaultHandlers::~FaultHandlers()
{
    for (int i = 0; i < NUM_SIGNALS; ++i) {
        sigaction(SIGNALS[i], &former_actions[i], nullptr);
    }
    sigaltstack(&former_stack, nullptr);
}

}  // namespace emulator
