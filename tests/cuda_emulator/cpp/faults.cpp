// A bad access arrives as a signal. The handler runs on a stack of its own, because the thread's
// may be what overflowed, and jumps back into the launch: nothing of the block is worth finishing.
#include "faults.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/time.h>
#include <ucontext.h>

#include "scheduler.h"

namespace emulator {

sigjmp_buf after_fault;

namespace {

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGVTALRM};
constexpr int NUM_SIGNALS = sizeof SIGNALS / sizeof SIGNALS[0];
constexpr size_t HANDLER_STACK_BYTES = 64 << 10;

char sentence[1024];
alignas(16) char handler_stack[HANDLER_STACK_BYTES];
struct sigaction former_actions[NUM_SIGNALS];
stack_t former_stack;
pthread_t launching_thread;

// In seconds of the processor's time; 0 is no limit.
void set_time_limit(uint64_t limit_s)
{
    itimerval timer = {};
    timer.it_value.tv_sec = static_cast<time_t>(limit_s);
    setitimer(ITIMER_VIRTUAL, &timer, nullptr);
}

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

const char* name_of(int signal_number)
{
    switch (signal_number) {
        case SIGFPE:
            return "division by zero";
        case SIGVTALRM:
            return "no end after the time a launch may take";
        default:
            return "illegal address";
    }
}

Dl_info library_of(uintptr_t code)
{
    Dl_info library = {};
    dladdr(reinterpret_cast<void*>(code), &library);
    return library;
}

uintptr_t kernel_code()
{
    return reinterpret_cast<uintptr_t>(scheduler.work->kernel);
}

// An access by a function that the kernel called is reported where the kernel called it.
void report(int signal_number, const siginfo_t* information, const void* context)
{
    char what[80];
    if (signal_number == SIGSEGV || signal_number == SIGBUS) {
        snprintf(what, sizeof what, "%s %p", name_of(signal_number), information->si_addr);
    } else {
        snprintf(what, sizeof what, "%s", name_of(signal_number));
    }
    const uintptr_t code = instruction_address(context);
    const bool is_kernel = library_of(code).dli_fbase == library_of(kernel_code()).dli_fbase;
    fail_at(what, *running, is_kernel ? code : running_thread().code);
}

// A timer's signal may come to any thread of the process; another thread's bad access is its own.
void on_signal(int signal_number, siginfo_t* information, void* context)
{
    if (pthread_equal(pthread_self(), launching_thread)) {
        report(signal_number, information, context);
    } else if (signal_number == SIGVTALRM) {
        pthread_kill(launching_thread, signal_number);
    } else {
        signal(signal_number, SIG_DFL);
    }
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

// "code /path/library.so 0x1234", from which Python finds the lines.
void fail_at(const char* sentence_start, const Thread& thread, uintptr_t code)
{
    const uint3 b = block.index;
    const uint3 t = thread.index;
    const Dl_info library = library_of(code);
    give_up("%s, in block (%u,%u,%u), thread (%u,%u,%u), code %s 0x%zx", sentence_start, b.x, b.y,
            b.z, t.x, t.y, t.z, library.dli_fname,
            code - reinterpret_cast<uintptr_t>(library.dli_fbase));
}

FaultHandlers::FaultHandlers(uint64_t max_seconds)
{
    launching_thread = pthread_self();
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
    set_time_limit(max_seconds);
}

FaultHandlers::~FaultHandlers()
{
    set_time_limit(0);
    for (int i = 0; i < NUM_SIGNALS; ++i) {
        sigaction(SIGNALS[i], &former_actions[i], nullptr);
    }
    sigaltstack(&former_stack, nullptr);
}

}  // namespace emulator
