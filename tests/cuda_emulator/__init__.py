"""Runs CUDA kernels on the CPU: the same `.cu` files, compiled by g++, over NumPy arrays.

How a kernel is executed here:

- A launch is done when the call returns. Its blocks run one after another, never side by side.
- Each thread of a block is a fiber, with a stack of its own. One runs at a time, and keeps running
  until it must wait: at a barrier of the block, or in something that lanes of a warp do together (a
  shuffle, a vote, a product on tensor cores). The last lane to come does it for all of them.
- Which thread runs next is the schedule's choice (`EmulatedDevice(order)`): forward, backward, or
  shuffled, blocks and warps and lanes alike. Whatever a kernel may rely on holds under all of them,
  and a forgotten barrier gives another result under some. So tests run a kernel under several.
- Asynchronous copies arrive at the wait that asks for them, or at once; also the schedule's choice.
- Shared memory is NaN when a block begins, as is device memory when it is allocated. `guarded()`
  arrays lie against a page that cannot be touched. An access outside, a misaligned one, an index
  beyond an array, a deadlock, a divergent barrier or an endless loop is an `EmulatedFault`, which
  names the kernel, the line, the block and the thread.

Where things stand: `cpp/threads.h` is what all else in C++ builds on, `cpp/grid.cpp` is a launch,
`cpp/turns.cpp` says who runs next, `cpp/meetings.cpp` where threads wait for each other;
`compiler.py` makes a library of a kernel file, `library.py` calls it, `device.py` is the device.

What it cannot show: a missing fence, races between blocks, a race that all schedules hide, bank
conflicts, coalescing, register pressure, and time. Blocks that wait for each other end in a fault,
though a GPU may run them side by side. `exp2f` and its like are the C library's.
"""

from tests.cuda_emulator.device import EmulatedDevice
from tests.cuda_emulator.faults import EmulatedFault
from tests.cuda_emulator.guarded import guarded
from tests.cuda_emulator.numpy_gemm import NumpyGemm

__all__ = ["EmulatedDevice", "EmulatedFault", "NumpyGemm", "guarded"]
