"""ThreadPool: the pieces of one array operation on several threads, the caller's own among them.

NumPy lets other threads run while it computes, so threads suffice; OpenBLAS itself should be told
to use one (`OPENBLAS_NUM_THREADS=1`), or both compete for the cores. Threads that have nothing to
do sleep. Knows nothing of what a piece computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Thread

import numpy as np

from forge_worker.forward_inputs import FloatArray


class Scratch:
    """Memory that one thread uses again and again: fresh memory costs a page fault every 4 KiB."""

    def __init__(self) -> None:
        self._buffers: dict[str, FloatArray] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """Uninitialised; what an earlier call returned under this name is overwritten."""
        size = math.prod(shape)
        if name not in self._buffers or len(self._buffers[name]) < size:
            self._buffers[name] = np.empty(size, np.float32)
        return self._buffers[name][:size].reshape(shape)


Task = Callable[[Scratch], None]


class ThreadPool:
    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads
        self._scratch = Scratch()
        self._work: SimpleQueue[Iterator[Task]] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        for index in range(1, num_threads):
            Thread(target=self._serve, name=f"ops-{index}", daemon=True).start()

    def run(self, tasks: Sequence[Task]) -> None:
        """Run all of them, in any order; the first error is raised once all threads are done."""
        pending = iter(tasks)
        num_helpers = min(self.num_threads, len(tasks)) - 1
        for _ in range(num_helpers):
            self._work.put(pending)
        errors = [_drain(pending, self._scratch)]
        errors += [self._done.get() for _ in range(num_helpers)]
        for error in errors:
            if error is not None:
                raise error

    def _serve(self) -> None:
        scratch = Scratch()
        while True:
            self._done.put(_drain(self._work.get(), scratch))


def _drain(tasks: Iterator[Task], scratch: Scratch) -> BaseException | None:
    """Take tasks that no other thread has taken, until none is left."""
    try:
        for task in tasks:
            task(scratch)
    except Exception as error:  # raised again in the thread that asked
        return error
    return None


def split(length: int, num_parts: int, multiple: int = 1) -> list[slice]:
    """At most `num_parts` slices of like size that cover 0..length, cut at multiples."""
    size = max(1, -(-length // (num_parts * multiple))) * multiple
    return [slice(begin, min(begin + size, length)) for begin in range(0, length, size)]
