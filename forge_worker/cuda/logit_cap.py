"""Logits bent below a cap, where a model has one: kernels/logit_cap.cu. Knows no model."""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.device import Device, Kernel, KernelSource
from forge_worker.cuda.shapes import require
from forge_worker.ops.protocol import Array

_THREADS = 256
_SOURCE = KernelSource("logit_cap.cu", (("BLOCK_THREADS", _THREADS),))


class LogitCap:
    """Made for a model; where that has no cap, nothing is compiled and nothing is done."""

    def __init__(self, device: Device, cap: float | None) -> None:
        self._kernel: Kernel | None = None
        if cap is not None:
            self._kernel, self._cap = device.kernels(_SOURCE)["cap_logits"], np.float32(cap)

    def __call__(self, logits: Array) -> None:
        """Queue logits = cap · tanh(logits / cap), in place; float32 [num_rows, vocab_size]."""
        require("logits", logits, tuple(logits.shape), np.float32)
        if self._kernel is not None and logits.size:
            grid = (-(-logits.size // _THREADS), 1, 1)
            self._kernel(grid, (_THREADS, 1, 1), (logits, np.int64(logits.size), self._cap))
