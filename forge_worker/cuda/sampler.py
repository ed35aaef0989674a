"""CudaSampler: one token for each row of logits that samples, by the kernels of sample.cu.

Three launches, whatever the rows ask for, so that they can be captured: what differs between rows
is read from DeviceTables. A row whose logits are not finite, or whose every token is ruled out,
fails alone: its token is 0 and its status says why. Knows nothing of sequences beyond their rows.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from forge_worker.cuda.device import Device, KernelSource
from forge_worker.cuda.device_step import SampledRows
from forge_worker.cuda.device_tables import KERNEL_CONSTANTS, DeviceTables
from forge_worker.cuda.shapes import require
from forge_worker.ops.protocol import Array
from forge_worker.sampler.sampler import ALL_RULED_OUT, NOT_FINITE

SAMPLE_SOURCE = KernelSource("sample.cu", KERNEL_CONSTANTS)

_SLICE_THREADS = 256
_SLICE_TOKENS = 4096
_ROW_THREADS = 1024
_BEST_BYTES = 8  # a token and its score
_DRAW_BYTES = 24  # struct Draw


class RowStatus(IntEnum):
    """As kernels/row_status.cuh has it."""

    SOUND = 0
    NOT_FINITE = 1
    ALL_RULED_OUT = 2


ERRORS = {RowStatus.NOT_FINITE: NOT_FINITE, RowStatus.ALL_RULED_OUT: ALL_RULED_OUT}


class Drawing(NamedTuple):
    """Arrays of one step; rows beyond the live ones, of which `counts` tells, are left alone."""

    counts: Array  # int32 [4], of DeviceStep
    rows: SampledRows
    logits: Array  # float32 [num_rows, vocab_size]
    processed: Array  # like logits, the sampler's own to write
    tokens: Array  # int32 [num_rows], comes out
    statuses: Array  # int32 [num_rows], RowStatus, comes out


def sampler_bytes(max_rows: int, vocab_size: int) -> int:
    """Of the memory that CudaSampler wants."""
    return max_rows * (_DRAW_BYTES + _BEST_BYTES * num_slices(vocab_size))


def num_slices(vocab_size: int) -> int:
    return -(-vocab_size // _SLICE_TOKENS)


class CudaSampler:
    """`memory` is uint8 [sampler_bytes(max_rows, vocab_size)], at an address divisible by 8."""

    def __init__(self, device: Device, tables: DeviceTables, memory: Array, max_rows: int) -> None:
        self._tables = tables
        self._vocab_size = tables.limits.vocab_size
        self._max_rows = max_rows
        self._num_slices = num_slices(self._vocab_size)
        require("memory", memory, (sampler_bytes(max_rows, self._vocab_size),), np.uint8)
        self._draws = memory[: _DRAW_BYTES * max_rows]
        self._bests = memory[_DRAW_BYTES * max_rows :]
        kernels = device.kernels(SAMPLE_SOURCE)
        self._find_best = kernels["find_best"]
        self._narrow_rows = kernels["narrow_rows"]
        self._draw = kernels["draw"]

    def sample(self, drawing: Drawing) -> None:
        """Queue all that turns `logits` into `tokens` and `statuses`."""
        self._check(drawing)
        num_rows = len(drawing.tokens)
        slices = (self._num_slices, num_rows, 1)
        self._find_best(slices, (_SLICE_THREADS, 1, 1), self._best_args(drawing))
        self._narrow_rows((num_rows, 1, 1), (_ROW_THREADS, 1, 1), self._narrow_args(drawing))
        self._draw(slices, (_SLICE_THREADS, 1, 1), self._draw_args(drawing))

    def _best_args(self, drawing: Drawing) -> tuple[Array, ...]:
        tables = self._tables
        return (
            *self._common_args(drawing),
            drawing.rows.assumed,
            drawing.rows.mask_rows,
            tables.rules,
            tables.masks,
            tables.seen,
            tables.token_ids,
            self._bests,
            np.int32(self._vocab_size),
            np.int32(tables.token_ids.shape[1]),
            np.int32(tables.masks.shape[1]),
            np.int32(tables.seen.shape[1]),
        )

    def _narrow_args(self, drawing: Drawing) -> tuple[Array, ...]:
        return (
            *self._common_args(drawing),
            self._bests,
            self._draws,
            drawing.tokens,
            drawing.statuses,
            np.int32(self._vocab_size),
            np.int32(self._num_slices),
        )

    def _draw_args(self, drawing: Drawing) -> tuple[Array, ...]:
        return (
            *self._common_args(drawing),
            self._bests,
            drawing.statuses,
            self._draws,
            drawing.tokens,
            np.int32(self._vocab_size),
        )

    def _common_args(self, drawing: Drawing) -> tuple[Array, ...]:
        """What the three kernels begin with."""
        return (
            drawing.logits,
            drawing.processed,
            drawing.rows.table_rows,
            drawing.rows.context_lens,
            drawing.counts,
            self._tables.params,
        )

    def _check(self, drawing: Drawing) -> None:
        num_rows = len(drawing.tokens)
        if num_rows > self._max_rows:
            raise ValueError(f"{num_rows} rows are sampled, over {self._max_rows}")
        for name, array in drawing.rows._asdict().items():
            require(name, array, (num_rows,), np.int32)
        for name in ("tokens", "statuses"):
            require(name, getattr(drawing, name), (num_rows,), np.int32)
        for name in ("logits", "processed"):
            shape = (num_rows, self._vocab_size)
            require(name, getattr(drawing, name), shape, np.float32)
