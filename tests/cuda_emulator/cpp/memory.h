// Loads and stores with a cache hint, which means nothing here, and atomics, which need no lock: a
// thread is only interrupted where it waits.
#pragma once

#include "vector_types.h"

template <class T>
T __ldg(const T* address)
{
    return *address;
}

template <class T>
T __ldcs(const T* address)
{
    return *address;
}

template <class T>
T __ldcg(const T* address)
{
    return *address;
}

template <class T>
void __stcs(T* address, T value)
{
    *address = value;
}

template <class T>
void __stcg(T* address, T value)
{
    *address = value;
}

namespace emulator {

// Keeps `T` from being deduced from the value, so that atomicAdd(&unsigned, 1) is as good as 1u.
template <class T>
struct Same {
    using Type = T;
};

}  // namespace emulator

template <class T>
T atomicExch(T* address, typename emulator::Same<T>::Type value)
{
    const T old = *address;
    *address = value;
    return old;
}

template <class T>
T atomicAdd(T* address, typename emulator::Same<T>::Type value)
{
    return atomicExch(address, *address + value);
}

template <class T>
T atomicMax(T* address, typename emulator::Same<T>::Type value)
{
    return atomicExch(address, *address > value ? *address : value);
}

template <class T>
T atomicMin(T* address, typename emulator::Same<T>::Type value)
{
    return atomicExch(address, *address < value ? *address : value);
}

template <class T>
T atomicOr(T* address, typename emulator::Same<T>::Type value)
{
    return atomicExch(address, *address | value);
}

template <class T>
T atomicAnd(T* address, typename emulator::Same<T>::Type value)
{
    return atomicExch(address, *address & value);
}

template <class T>
T atomicCAS(T* address, typename emulator::Same<T>::Type expected,
            typename emulator::Same<T>::Type value)
{
    const T old = *address;
    if (old == expected) {
        *address = value;
    }
    return old;
}

// Counts up to `last`, then starts again at 0.
inline unsigned atomicInc(unsigned* address, unsigned last)
{
    return atomicExch(address, *address >= last ? 0 : *address + 1);
}
