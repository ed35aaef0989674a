// What the compiler's own checks call: g++ compiles kernels with -fsanitize=alignment, bounds and
// shift-exponent, and asks for these functions by name. A GPU answers a misaligned vector load with
// an error, and an index beyond a local or shared array with whatever lies there.
//
// The structures are the compiler's; only their beginnings are used.
#include "threads.h"

namespace {

struct CheckedPlace {
    const char* file;
    uint32_t line;
    uint32_t column;
};

emulator::Site site_of(const CheckedPlace* place)
{
    return {place->file, static_cast<int>(place->line)};
}

}  // namespace

extern "C" void __ubsan_handle_type_mismatch_v1(const CheckedPlace* place, uintptr_t)
{
    emulator::fail("misaligned access", site_of(place));
}

extern "C" void __ubsan_handle_out_of_bounds(const CheckedPlace* place, uintptr_t)
{
    emulator::fail("an index beyond its array", site_of(place));
}

extern "C" void __ubsan_handle_shift_out_of_bounds(const CheckedPlace* place, uintptr_t, uintptr_t)
{
    emulator::fail("a shift by more bits than there are", site_of(place));
}
