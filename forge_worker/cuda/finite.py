"""FiniteCheck: whether hidden states are finite numbers, by the kernel of finite.cu.

For chunks that sample nothing yet: they must be sound before others may share their blocks. Knows
nothing of sequences.
"""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.device import Device, KernelSource
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.shapes import require
from forge_worker.ops.protocol import Array

_THREADS = 256


def finite_source(precision: Precision) -> KernelSource:
    return KernelSource("finite.cu", (("ELEMENT", precision.kernel_type),))


class FiniteCheck:
    def __init__(self, device: Device, precision: Precision, hidden_size: int) -> None:
        self._precision = precision
        self._hidden_size = hidden_size
        self._check_finite = device.kernels(finite_source(precision))["check_finite"]

    def __call__(self, hidden: Array, statuses: Array) -> None:
        """A RowStatus in `statuses` int32 [num_rows] for each row of `hidden` [.., hidden_size]."""
        num_rows = len(statuses)
        require("hidden", hidden, (num_rows, self._hidden_size), self._precision.dtype)
        require("statuses", statuses, (num_rows,), np.int32)
        args = (hidden, statuses, np.int32(self._hidden_size))
        self._check_finite((num_rows, 1, 1), (_THREADS, 1, 1), args)
