"""The residual stream on the device, normed, centred, read as it is, added to: kernels/norm.cu.

Knows no layer.
"""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.device import Argument, Device, Kernel, KernelSource
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.shapes import require
from forge_worker.cuda.vectors import require_hidden_size, whole_warps
from forge_worker.ops.protocol import Array, Joining

COLUMNS_PER_VECTOR = 4  # WIDTH of the kernel
VECTORS_PER_THREAD = 2  # asked for at once, as long as MAX_THREADS allow
MAX_THREADS = 512


class RmsNormKernels:
    """`residual`, `partial` and weights are float32, `out` is of the model's precision."""

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
        self._norm("rms_norm", (residual, weight), eps, out)

    def cast(self, residual: Array, out: Array) -> None:
        """Queue out [T, hidden] = residual [T, hidden], in the model's precision."""
        self._require_rows("residual", residual, len(out))
        require("out", out, (len(out), self._hidden_size), self._dtype)
        self._launch("cast", (residual, out), len(out))

    def join(self, residual: Array, partial: Array, joining: Joining) -> None:
        """Queue residual [T, hidden] += scale · norm of partial [T, hidden], or of it as it is."""
        self._require_rows("residual", residual, len(partial))
        self._require_rows("partial", partial, len(partial))
        norm, scale = joining.norm, np.float32(joining.scale)
        if norm is None:
            self._launch("join", (residual, partial, scale), len(partial))
            return
        self._require_weight(norm.weight)
        arguments = (residual, partial, norm.weight, np.float32(norm.eps), scale)
        self._launch("join_rms_norm", arguments, len(partial))

    def centre(self, residual: Array) -> None:
        """Queue residual [T, hidden] -= the mean of each of its rows."""
        self._require_rows("residual", residual, len(residual))
        self._launch("centre", (residual,), len(residual))

    def gather_norm(
        self, residual: Array, logit_rows: Array, weight: Array, eps: float, out: Array
    ) -> None:
        """Queue out [L, hidden] = norm of the rows that logit_rows, int32 [L], names."""
        self._require_rows("residual", residual, len(residual))
        require("logit_rows", logit_rows, (len(out),), np.int32)
        self._norm("gather_rms_norm", (residual, logit_rows, weight), eps, out)

    def _require_rows(self, name: str, rows: Array, num_rows: int) -> None:
        require(name, rows, (num_rows, self._hidden_size), np.float32)

    def _require_weight(self, weight: Array) -> None:
        require("weight", weight, (self._hidden_size,), np.float32)

    def _norm(self, name: str, inputs: tuple[Argument, ...], eps: float, out: Array) -> None:
        """The last of `inputs` is the weight."""
        self._require_weight(inputs[-1])
        require("out", out, (len(out), self._hidden_size), self._dtype)
        self._launch(name, (*inputs, out, np.float32(eps)), len(out))

    def _launch(self, name: str, arguments: tuple[Argument, ...], num_rows: int) -> None:
        """A block a row."""
        if num_rows:
            kernel: Kernel = self._kernels[name]
            kernel((num_rows, 1, 1), (self._num_threads, 1, 1), arguments)


def num_threads(hidden_size: int) -> int:
    """Of the block that norms a row."""
    num_vectors = hidden_size // COLUMNS_PER_VECTOR
    return min(whole_warps(-(-num_vectors // VECTORS_PER_THREAD)), MAX_THREADS)
