#include "async_copy.h"

#include <string.h>

#include "scheduler.h"

namespace emulator {

namespace {

void do_copy(const AsyncCopy& copy)
{
    if (copy.is_wanted) {
        memcpy(copy.target, copy.source, copy.num_bytes);
    } else {
        memset(copy.target, 0, copy.num_bytes);
    }
}

bool is_aligned(const void* address, size_t num_bytes)
{
    return reinterpret_cast<uintptr_t>(address) % num_bytes == 0;
}

// That the bytes can be read, now and not only when a wait asks for them, which may never be.
void touch(const void* source)
{
    static_cast<void>(*static_cast<const volatile char*>(source));
}

}  // namespace

void start_copy(AsyncCopy copy)
{
    running_thread().code = code_before(__builtin_return_address(0));
    if (!is_aligned(copy.target, copy.num_bytes) ||
        (copy.is_wanted && !is_aligned(copy.source, copy.num_bytes))) {
        fail("misaligned access: an asynchronous copy", running_thread());
    }
    if (!is_shared(copy.target)) {
        fail("an asynchronous copy goes outside shared memory", running_thread());
    }
    if (copy.is_wanted) {
        touch(copy.source);
    }
    if (scheduler.schedule.copies_are_early()) {
        do_copy(copy);
    } else {
        running_thread().open_copies.push_back(copy);
    }
}

void commit_copies()
{
    FiberThread& thread = running_thread();
    thread.copy_groups.push_back(thread.open_copies);
    thread.open_copies.clear();
}

void wait_for_copies(unsigned max_groups_left)
{
    running_thread().code = code_before(__builtin_return_address(0));
    auto& groups = running_thread().copy_groups;
    while (groups.size() > max_groups_left) {
        for (const AsyncCopy& copy : groups.front()) {
            do_copy(copy);
        }
        groups.erase(groups.begin());
    }
}

}  // namespace emulator
