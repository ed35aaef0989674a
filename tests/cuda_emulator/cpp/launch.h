// The way in from Python: one C function a kernel, which unpacks arguments and runs the grid.
#pragma once

#include "threads.h"

extern thread_local unsigned char shared_memory[];

struct Bf16;  // of elements.cuh
struct Half;

namespace emulator {

struct Request {
    unsigned grid[3];
    unsigned block[3];
    uint64_t shared_bytes;
    uint64_t order;
    uint64_t max_seconds;   // of the processor's time
    const uint64_t* slots;  // the arguments, eight bytes each
};

struct Work {
    void (*call)(const void* kernel, const uint64_t* slots);
    const void* kernel;
    unsigned max_threads;
    unsigned char* shared;
};

// Runs every thread of every block. Null, or a sentence about what went wrong.
const char* run_grid(const Request& request, const Work& work);

template <class T>
T from_slot(const uint64_t& slot)
{
    static_assert(sizeof(T) <= sizeof slot, "kernels take pointers, int, long long and float");
    T value;
    __builtin_memcpy(&value, &slot, sizeof value);
    return value;
}

template <int... I>
struct Indices {};

template <int N, int... I>
struct Count : Count<N - 1, N - 1, I...> {};

template <int... I>
struct Count<0, I...> {
    using Type = Indices<I...>;
};

template <class... A, int... I>
void call(void (*kernel)(A...), const uint64_t* slots, Indices<I...>)
{
    kernel(from_slot<A>(slots[I])...);
}

template <class... A>
void call_with_slots(const void* kernel, const uint64_t* slots)
{
    auto* typed = reinterpret_cast<void (*)(A...)>(const_cast<void*>(kernel));
    call(typed, slots, typename Count<sizeof...(A)>::Type{});
}

// Of __launch_bounds__(threads, blocks); 0 where a kernel has none.
constexpr unsigned first(unsigned max_threads, unsigned = 0)
{
    return max_threads;
}

template <class... A>
const char* launch(void (*kernel)(A...), unsigned max_threads, const Request& request)
{
    const auto* address = reinterpret_cast<const void*>(kernel);
    return run_grid(request, Work{call_with_slots<A...>, address, max_threads, shared_memory});
}

// What Python must pass, a letter an argument: i, q and f are scalars; capitals are arrays of a
// type, and P of any. library.py has the other half of this table.
template <class T>
struct Letter {
    static constexpr char VALUE = sizeof(T) == 8 ? 'q' : 'i';
};

template <>
struct Letter<float> {
    static constexpr char VALUE = 'f';
};

template <class T>
struct ArrayLetter {
    static constexpr char VALUE = 'P';
};

template <class T>
struct ArrayLetter<const T> : ArrayLetter<T> {};

template <class T>
struct ArrayLetter<volatile T> : ArrayLetter<T> {};

template <class T>
struct Letter<T*> : ArrayLetter<T> {};

#define EMULATOR_ARRAY_LETTER(TYPE, LETTER)    \
    template <>                                \
    struct ArrayLetter<TYPE> {                 \
        static constexpr char VALUE = LETTER; \
    };

EMULATOR_ARRAY_LETTER(float, 'F')
EMULATOR_ARRAY_LETTER(int, 'I')
EMULATOR_ARRAY_LETTER(unsigned, 'U')
EMULATOR_ARRAY_LETTER(long, 'Q')
EMULATOR_ARRAY_LETTER(long long, 'Q')
EMULATOR_ARRAY_LETTER(Bf16, 'B')
EMULATOR_ARRAY_LETTER(Half, 'H')

template <class... A>
const char* signature(void (*)(A...))
{
    static const char letters[] = {Letter<A>::VALUE..., '\0'};
    return letters;
}

}  // namespace emulator
