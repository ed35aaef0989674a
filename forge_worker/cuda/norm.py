"""RMS norm of the residual stream on the device: kernels/norm.cu. Knows no layer."""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.device import Argument, Device, Kernel, KernelSource
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.shapes import require
from forge_worker.cuda.vectors import require_hidden_size, whole_warps
from forge_worker.ops.protocol import Array

COLUMNS_PER_VECTOR = 4  # WIDTH of the kernel
VECTORS_PER_THREAD = 2  # asked for at once, as long as MAX_THREADS allow
MAX_THREADS = 512


class RmsNormKernels:
    """`residual` and `partial` are float32, `weight` and `out` of the model's precision."""

    def __init__(self, device: Device, precision: Precision, hidden_size: int) -> None:
        require_hidden_size(hidden_size)
        self._hidden_size = hidden_size
        self._dtype = precision.dtype
        self._num_threads = num_threads(hidden_size)
        constants = (
            ("ELEMENT", precision.kernel_type),
            ("HIDDEN_SIZE", hidden_size),
            ("BLOCK_THREADS", self._num_threads),
        )
        self._kernels = device.kernels(KernelSource("norm.cu", constants))

    def norm(self, residual: Array, weight: Array, eps: float, out: Array) -> None:
        """Queue out [T, hidden] = norm of residual [T, hidden]."""
        self._require_rows("residual", residual, len(out))
        self._launch("rms_norm", (residual, weight), eps, out)

    def add_norm(
        self, residual: Array, partial: Array, weight: Array, eps: float, out: Array
    ) -> None:
        """Queue residual += partial [T, hidden], and then out = norm of it."""
        self._require_rows("residual", residual, len(out))
        self._require_rows("partial", partial, len(out))
        self._launch("add_rms_norm", (residual, partial, weight), eps, out)

    def gather_norm(
        self, residual: Array, logit_rows: Array, weight: Array, eps: float, out: Array
    ) -> None:
        """Queue out [L, hidden] = norm of the rows that logit_rows, int32 [L], names."""
        self._require_rows("residual", residual, len(residual))
        require("logit_rows", logit_rows, (len(out),), np.int32)
        self._launch("gather_rms_norm", (residual, logit_rows, weight), eps, out)

    def _require_rows(self, name: str, rows: Array, num_rows: int) -> None:
        require(name, rows, (num_rows, self._hidden_size), np.float32)

    def _launch(self, name: str, inputs: tuple[Argument, ...], eps: float, out: Array) -> None:
        """The last of `inputs` is the weight; a block a row of `out`."""
        require("weight", inputs[-1], (self._hidden_size,), self._dtype)
        require("out", out, (len(out), self._hidden_size), self._dtype)
        if len(out):
            kernel: Kernel = self._kernels[name]
            kernel((len(out), 1, 1), (self._num_threads, 1, 1), (*inputs, out, np.float32(eps)))


def num_threads(hidden_size: int) -> int:
    """Of the block that norms a row."""
    num_vectors = hidden_size // COLUMNS_PER_VECTOR
    return min(whole_warps(-(-num_vectors // VECTORS_PER_THREAD)), MAX_THREADS)
