"""UploadRing: changes of the device's tables, gathered on the host and sent as one copy.

A change is a run of words. Runs pile up in a pinned buffer, their words first and behind them where
each goes; `flush` queues one copy and one launch that spreads them. There are several buffers, so
that the host writes the next while the device reads the last; before one is used again its copy is
waited for. Knows nothing of what the words mean.

    [ words of run 0 | words of run 1 | ... | target, source, length of run 0 | of run 1 | ... ]
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.device import Device, Event
from forge_worker.cuda.device_tables import STAGING_WORDS, WORD_BYTES, DeviceTables
from forge_worker.cuda.step_kernels import StepKernels
from forge_worker.forward_inputs import IntArray

NUM_BUFFERS = 4
MAX_RUN_WORDS = 4096  # a longer one is cut, so that many blocks share it


class Run(NamedTuple):
    target: int  # the first word, in the tables
    source: int  # the first word, in the staging buffer
    length: int


RUN_WORDS = len(Run._fields)


class UploadRing:
    def __init__(self, device: Device, tables: DeviceTables, kernels: StepKernels) -> None:
        self._device = device
        self._staging = tables.staging
        self._kernels = kernels
        self._buffers: list[IntArray] = [
            device.allocate_pinned(WORD_BYTES * STAGING_WORDS).view(np.int32)
            for _ in range(NUM_BUFFERS)
        ]
        self._copied: list[Event | None] = [None] * NUM_BUFFERS
        self._current = 0
        self._runs: list[Run] = []
        self._num_words = 0

    def write(self, target: int, words: npt.NDArray[Any]) -> None:
        """From `target` on the tables shall hold `words` (32 bits each) once this is flushed."""
        words = np.ascontiguousarray(words).view(np.int32)
        for start in range(0, len(words), MAX_RUN_WORDS):
            self._write_run(target + start, words[start : start + MAX_RUN_WORDS])

    def flush(self) -> None:
        """Queue everything written so far."""
        if not self._runs:
            return
        runs = np.array(self._runs, np.int32)
        end = self._num_words + runs.size
        buffer = self._buffers[self._current]
        buffer[self._num_words : end] = runs.reshape(-1)
        self._device.upload(self._staging[:end], buffer[:end])
        self._copied[self._current] = self._device.record()
        self._spread(runs)
        self._current = (self._current + 1) % NUM_BUFFERS
        self._runs, self._num_words = [], 0

    def _write_run(self, target: int, words: IntArray) -> None:
        if self._num_words + len(words) + RUN_WORDS * (len(self._runs) + 1) > STAGING_WORDS:
            self.flush()
        if not self._runs:
            self._wait_for_buffer()
        start = self._num_words
        self._buffers[self._current][start : start + len(words)] = words
        self._runs.append(Run(target, start, len(words)))
        self._num_words = start + len(words)

    def _wait_for_buffer(self) -> None:
        event = self._copied[self._current]
        if event is not None:
            event.wait()

    def _spread(self, runs: IntArray) -> None:
        """Blocks run in any order, so runs that overlap are launched one after the other."""
        if not _overlap(runs):
            self._kernels.write_runs(self._num_words, len(runs))
            return
        for index in range(len(runs)):
            self._kernels.write_runs(self._num_words + RUN_WORDS * index, 1)


def _overlap(runs: IntArray) -> bool:
    by_target = runs[np.argsort(runs[:, 0])]
    starts, ends = by_target[:, 0], by_target[:, 0] + by_target[:, 2]
    return bool((ends[:-1] > starts[1:]).any())
