"""The gate of a feed-forward layer on the device: kernels/activation.cu. Knows no layer."""

from __future__ import annotations

import numpy as np

from forge_common.checkpoint.families import Activation
from forge_worker.cuda.device import Device, KernelSource
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.shapes import require
from forge_worker.cuda.vectors import vector_width
from forge_worker.ops.protocol import Array

NUM_THREADS = 256
MAX_ACCESS_BYTES = 16


class GatedActivation:
    def __init__(
        self, device: Device, precision: Precision, intermediate_size: int, activation: Activation
    ) -> None:
        self._intermediate_size = intermediate_size
        self._dtype = precision.dtype
        self._width = vector_width(intermediate_size, MAX_ACCESS_BYTES // precision.element_bytes)
        constants = (
            ("ELEMENT", precision.kernel_type),
            ("INTERMEDIATE_SIZE", intermediate_size),
            ("WIDTH", self._width),
            ("BLOCK_THREADS", NUM_THREADS),
        )
        kernels = device.kernels(KernelSource("activation.cu", constants))
        self._kernel = kernels[f"{activation}_mul"]

    def __call__(self, gate_up: Array, out: Array) -> None:
        """Queue out [T, intermediate] = activation(gate) · up of gate_up [T, 2 · intermediate]."""
        num_rows = len(out)
        require("gate_up", gate_up, (num_rows, 2 * self._intermediate_size), self._dtype)
        require("out", out, (num_rows, self._intermediate_size), self._dtype)
        num_vectors = num_rows * self._intermediate_size // self._width
        if num_vectors:
            grid = (-(-num_vectors // NUM_THREADS), 1, 1)
            self._kernel(grid, (NUM_THREADS, 1, 1), (gate_up, out, np.int32(num_vectors)))
