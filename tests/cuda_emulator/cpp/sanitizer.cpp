// What the compiler's own checks call: g++ compiles kernels with -fsanitize=alignment, bounds and
// shift-exponent, and asks for these functions by name. A GPU answers a misaligned vector load with
// an error, and an index beyond a local or shared array with whatever lies there.
//
// Their arguments, which describe the place, are left alone: the address of the call tells more,
// since Python finds with it what was inlined where.
#include "faults.h"

using emulator::code_before;
using emulator::fail_at;
using emulator::running;

extern "C" void __ubsan_handle_type_mismatch_v1()
{
    fail_at("misaligned access", *running, code_before(__builtin_return_address(0)));
}

extern "C" void __ubsan_handle_out_of_bounds()
{
    fail_at("an index beyond its array", *running, code_before(__builtin_return_address(0)));
}

extern "C" void __ubsan_handle_shift_out_of_bounds()
{
    fail_at("a shift by more bits than there are", *running,
            code_before(__builtin_return_address(0)));
}
