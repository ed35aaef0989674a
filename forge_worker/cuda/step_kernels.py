"""StepKernels: the launches of kernels/step.cu, which keep the tables of DeviceTables up to date.

`expand` and `append` may be captured; how many rows are live they read on the device. Knows nothing
of requests.
"""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.device import Device, KernelSource
from forge_worker.cuda.device_step import DeviceStep, SampledRows
from forge_worker.cuda.device_tables import KERNEL_CONSTANTS, DeviceTables
from forge_worker.cuda.shapes import require
from forge_worker.ops.protocol import Array

_THREADS = 256
_RUN_THREADS = 128
_COUNT_THREADS = 1024


def step_source(block_size: int) -> KernelSource:
    return KernelSource("step.cu", (("BLOCK_SIZE", block_size), *KERNEL_CONSTANTS))


class StepKernels:
    def __init__(self, device: Device, tables: DeviceTables) -> None:
        self._tables = tables
        kernels = device.kernels(step_source(tables.limits.block_size))
        self._write_runs = kernels["write_runs"]
        self._expand_step = kernels["expand_step"]
        self._append_sampled = kernels["append_sampled"]
        self._count_seen = kernels["count_seen"]

    def write_runs(self, first_run_word: int, num_runs: int) -> None:
        """Runs stand in the staging buffer as (target, source, length), in words."""
        args = (self._tables.words, self._tables.staging, np.int32(first_run_word))
        self._write_runs((num_runs, 1, 1), (_RUN_THREADS, 1, 1), args)

    def expand(self, step: DeviceStep) -> None:
        """Fill `token_ids`, `positions` and `slots` of `step` from its sequences."""
        tables, num_tokens = self._tables, step.shape.num_tokens
        require("token_ids", step.token_ids, (num_tokens,), np.int32)
        require("positions", step.positions, (num_tokens,), np.int32)
        require("slots", step.slots, (num_tokens,), np.int64)
        args = (
            step.counts,
            step.sequence_rows,
            step.query_starts,
            step.context_lens,
            tables.token_ids,
            tables.block_tables,
            step.token_ids,
            step.positions,
            step.slots,
            np.int32(num_tokens),
            np.int32(tables.token_ids.shape[1]),
            np.int32(tables.block_tables.shape[1]),
        )
        self._expand_step((-(-num_tokens // _THREADS), 1, 1), (_THREADS, 1, 1), args)

    def append(self, counts: Array, rows: SampledRows, sampled: Array, statuses: Array) -> None:
        """`rows` have put out the tokens of `sampled`, as far as `statuses` says that they are
        sound and what they assumed was right; all int32 [num_rows]."""
        tables, num_rows = self._tables, len(sampled)
        for name, array in rows._asdict().items():
            require(name, array, (num_rows,), np.int32)
        require("sampled", sampled, (num_rows,), np.int32)
        require("statuses", statuses, (num_rows,), np.int32)
        args = (
            counts,
            rows.table_rows,
            rows.context_lens,
            rows.assumed,
            sampled,
            statuses,
            tables.params,
            tables.token_ids,
            tables.seen,
            np.int32(tables.token_ids.shape[1]),
            np.int32(tables.seen.shape[1]),
        )
        self._append_sampled((-(-num_rows // _THREADS), 1, 1), (_THREADS, 1, 1), args)

    def count_seen(self, row: int, num_prompt_tokens: int, num_tokens: int) -> None:
        """Count the tokens of one sequence anew, from the token table."""
        seen = self._tables.seen[row].view(np.uint32)
        args = (
            seen,
            self._tables.token_ids[row],
            np.int32(num_prompt_tokens),
            np.int32(num_tokens),
            np.int32(len(seen)),
        )
        self._count_seen((1, 1, 1), (_COUNT_THREADS, 1, 1), args)
