// A bad access arrives as a signal. The handler runs on a stack of its own, because the thread's may
// be what overflowed, and jumps back into the launch: nothing of the block is worth finishing.
#include "faults.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <ucontext.h>

namespace emulator {

sigjmp_buf after_fault;

namespace {

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE};
constexpr int NUM_SIGNALS = sizeof SIGNALS / sizeof SIGNALS[0];
constexpr size_t HANDLER_STACK_BYTES = 64 << 10;

char sentence[1024];
alignas(16) char handler_stack[HANDLER_STACK_BYTES];
struct sigaction former_actions[NUM_SIGNALS];
stack_t former_stack;

uintptr_t instruction_address(const void* context)
{
    const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    return static_cast<uintptr_t>(registers.gregs[REG_RIP]);
#elif defined(__aarch64__)
    return registers.pc;
#else
    static_cast<void>(registers);
    return 0;
#endif
}

// "code /path/library.so 0x1234", from which Python finds the line.
void on_signal(int signal_number, siginfo_t* information, void* context)
{
    const uint3 b = block.index;
    const uint3 t = running->index;
    const uintptr_t code = instruction_address(context);
    const char* name = signal_number == SIGFPE ? "division by zero" : "illegal address";
    Dl_info library = {};
    dladdr(reinterpret_cast<void*>(code), &library);
    give_up("%s %p in block (%u,%u,%u), thread (%u,%u,%u), code %s 0x%zx", name,
            information->si_addr, b.x, b.y, b.z, t.x, t.y, t.z, library.dli_fname,
            code - reinterpret_cast<uintptr_t>(library.dli_fbase));
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
    give_up("%s, in block (%u,%u,%u), thread (%u,%u,%u), at %s:%d", what, b.x, b.y, b.z, t.x, t.y,
            t.z, site.file, site.line);
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
