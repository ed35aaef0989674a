"""Token embeddings on the device: kernels/embedding.cu. Knows no model."""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.device import Device, KernelSource
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.shapes import require
from forge_worker.cuda.vectors import require_hidden_size, whole_warps
from forge_worker.ops.protocol import Array

COLUMNS_PER_VECTOR = 4  # WIDTH of the kernel
MAX_THREADS = 256


class Embedding:
    def __init__(
        self, device: Device, precision: Precision, hidden_size: int, scale: float = 1.0
    ) -> None:
        require_hidden_size(hidden_size)
        self._hidden_size = hidden_size
        self._dtype = precision.dtype
        self._scale = np.float32(scale)
        num_vectors = hidden_size // COLUMNS_PER_VECTOR
        self._num_threads = min(whole_warps(num_vectors), MAX_THREADS)
        self._num_pieces = -(-num_vectors // self._num_threads)
        constants = (
            ("ELEMENT", precision.kernel_type),
            ("HIDDEN_SIZE", hidden_size),
            ("BLOCK_THREADS", self._num_threads),
        )
        self._embed = device.kernels(KernelSource("embedding.cu", constants))["embed"]

    def __call__(self, table: Array, token_ids: Array, residual: Array) -> None:
        """Queue residual, float32 [T, hidden] = scale · rows of table [vocab_size, hidden]."""
        num_tokens = len(token_ids)
        require("table", table, (len(table), self._hidden_size), self._dtype)
        require("token_ids", token_ids, (num_tokens,), np.int32)
        require("residual", residual, (num_tokens, self._hidden_size), np.float32)
        if num_tokens:
            grid = (num_tokens, self._num_pieces, 1)
            self._embed(grid, (self._num_threads, 1, 1), (table, token_ids, residual, self._scale))
