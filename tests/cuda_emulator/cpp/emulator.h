// What a kernel file finds built in when g++ compiles it. Nothing of the standard library's C++
// part is included, which keeps a compilation short.
#pragma once

#include "arithmetic.h"
#include "async_copy.h"
#include "barriers.h"
#include "halves.h"
#include "launch.h"
#include "memory.h"
#include "tensor_cores.h"
#include "threads.h"
#include "vector_types.h"
#include "warp.h"

alignas(1024) thread_local unsigned char
    shared_memory[emulator::MAX_SHARED_BYTES + emulator::CANARY_BYTES];
