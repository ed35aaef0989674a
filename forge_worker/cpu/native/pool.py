"""NativePool: the tasks of kernels on several threads, the caller's among them, without the GIL.

    counter   run number │ tasks that nobody has taken     one word, so that a thread that comes
                                                           late cannot take another run's task
    run       kernel, arguments, number of tasks           written while no task is left to take
    done      tasks that are finished                      the run is over when all are

Tasks are taken one at a time, so that a thread that lost its core costs one task's delay. Helpers
are Python threads that stay inside one call; between runs they spin for some tens of microseconds,
since the next run of a step is close, then sleep on a condition of the C library, so that idle
costs nothing. A helper's core can be lent to other work of this process. Knows nothing of what a
task computes, nor in which order tasks are done.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Thread

import numpy as np
import numpy.typing as npt

from forge_worker.cpu.native.kernel import Kernel
from forge_worker.cpu.native.pool_code import SCRATCH_TABLE, PoolCode, compile_pool_code

Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]
SCRATCH_BYTES = 2**18  # of each thread, at first
CACHE_LINE_BYTES = 64


class Record:
    """64-bit numbers for a kernel to read, at an address that stays."""

    __slots__ = ("address", "values")

    def __init__(self, values: Sequence[int]) -> None:
        self.values = np.array(values, np.int64)
        self.address: int = self.values.ctypes.data


class Launches:
    """Of each a kernel, its arguments, and the address of its number of tasks, an int64 that is
    read when its turn comes. All of them must stay where they are."""

    __slots__ = ("_values", "address", "count")

    def __init__(self, launches: Iterable[tuple[Kernel, Record, int]]) -> None:
        rows = [(kernel.address, record.address, count) for kernel, record, count in launches]
        self._values = np.array(rows, np.int64)
        self.address: int = self._values.ctypes.data
        self.count = len(rows)


class NativePool:
    def __init__(self, num_threads: int, scratch_bytes: int = SCRATCH_BYTES) -> None:
        self.num_threads = num_threads
        self.scratch_bytes = 0
        self._code = _pool_code()
        self._control = aligned_bytes(SCRATCH_TABLE + 8 * num_threads)
        self._address: int = self._control.ctypes.data
        self._scratch: list[Bytes] = []
        self.reserve_scratch(scratch_bytes)
        self._code.prepare(self._address)
        self._single = Record([0, 0, 0, 0])
        self._num_tasks_address = self._single.address + 24
        self._single.values[2] = self._num_tasks_address
        helpers = [self._start_helper(index) for index in range(1, num_threads)]
        weakref.finalize(self, _stop, self._control, self._code, helpers)

    def run(self, kernel: Kernel, arguments: Record, num_tasks: int) -> None:
        """All tasks of one kernel; returns when they are done. Of one thread at a time."""
        single = self._single.values
        single[0], single[1], single[3] = kernel.address, arguments.address, num_tasks
        self._code.run(self._address, self._single.address, 1, self.num_threads)

    def run_all(self, launches: Launches) -> None:
        """One after the other, each begun when the one before it is done."""
        self._code.run(self._address, launches.address, launches.count, self.num_threads)

    @contextmanager
    def lent_core(self) -> Iterator[None]:
        """Inside, one helper takes no tasks, so that its core is free for something else: a thread
        more than there are cores would put one off its core in the midst of a task, and whoever
        waits for that task with it. Of one thread at a time."""
        self._code.lend(self._address, 1)
        try:
            yield
        finally:
            self._code.lend(self._address, 0)

    def reserve_scratch(self, num_bytes: int) -> None:
        """See to it that every task finds at least so much; what was there is lost."""
        if num_bytes <= self.scratch_bytes:
            return
        self._scratch = [aligned_bytes(num_bytes) for _ in range(self.num_threads)]
        addresses = [buffer.ctypes.data for buffer in self._scratch]
        self._control[SCRATCH_TABLE:].view(np.int64)[:] = addresses
        self.scratch_bytes = num_bytes

    def _start_helper(self, index: int) -> Thread:
        # The thread must not hold the pool, or the pool would never be given up.
        arguments = (self._code, self._control, index)
        helper = Thread(target=_serve, args=arguments, name=f"native-{index}", daemon=True)
        helper.start()
        return helper


def aligned_bytes(num_bytes: int, alignment: int = CACHE_LINE_BYTES) -> Bytes:
    """Zeros at an address that is a multiple of `alignment`."""
    raw = np.zeros(num_bytes + alignment, np.uint8)
    offset = -raw.ctypes.data % alignment
    return raw[offset : offset + num_bytes]


def _serve(code: PoolCode, control: Bytes, index: int) -> None:
    code.serve(control.ctypes.data, index)


def _stop(control: Bytes, code: PoolCode, helpers: list[Thread]) -> None:
    code.stop(control.ctypes.data)
    for helper in helpers:
        helper.join(timeout=1)


@cache
def _pool_code() -> PoolCode:
    return compile_pool_code()
