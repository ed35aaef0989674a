"""Dequantise: weights in blocks as numbers of the precision (kernels/dequantise.cu).

All of a weight into a scratch, for products of many rows, or those rows of a table that tokens ask
for. Allocates nothing; knows no layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forge_common.device_blocks import GROUP
from forge_worker.cuda.block_matrix import BlockMatrix, JoinedBlocks
from forge_worker.cuda.device import Device, KernelSource
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.shapes import require
from forge_worker.ops.protocol import Array

NUM_THREADS = 256
GROUPS_PER_BLOCK = NUM_THREADS // 4


class Dequantise:
    def __init__(
        self, device: Device, precision: Precision, formats: Sequence[str], scratch: Array
    ) -> None:
        """`scratch`: of the precision, as large as the largest weight."""
        self._dtype = precision.dtype
        self._scratch = scratch
        element = ("ELEMENT", precision.kernel_type)
        self._kernels = {
            name: device.kernels(KernelSource("dequantise.cu", (element, ("BLOCKS", name))))
            for name in formats
        }

    def __call__(self, weight: JoinedBlocks) -> Array:
        """Queue it: [num_rows, num_columns] of the precision, until the next is asked for."""
        out = self._scratch[: weight.shape[0] * weight.shape[1]].reshape(weight.shape)
        first_row = 0
        for part in weight.parts:
            self._widen(part, out[first_row : first_row + part.num_rows])
            first_row += part.num_rows
        return out

    def embed(
        self, table: JoinedBlocks, token_ids: Array, residual: Array, scale: np.float32
    ) -> None:
        """Queue residual, float32 [T, hidden] = scale · rows of `table` [vocab_size, hidden]."""
        (matrix,) = table.parts
        num_tokens = len(token_ids)
        require("token_ids", token_ids, (num_tokens,), np.int32)
        require("residual", residual, (num_tokens, matrix.num_columns), np.float32)
        if num_tokens:
            grid = (_num_blocks(_groups_of(matrix)), num_tokens, 1)
            kernel = self._kernels[matrix.format]["embed_from_blocks"]
            sizes = map(np.int32, matrix.shape)
            kernel(grid, (NUM_THREADS, 1, 1), (residual, matrix.memory, token_ids, scale, *sizes))

    def _widen(self, matrix: BlockMatrix, out: Array) -> None:
        require("out", out, matrix.shape, self._dtype)
        grid = (_num_blocks(matrix.num_rows * _groups_of(matrix)), 1, 1)
        kernel = self._kernels[matrix.format]["dequantise"]
        kernel(grid, (NUM_THREADS, 1, 1), (out, matrix.memory, *map(np.int32, matrix.shape)))


def _groups_of(matrix: BlockMatrix) -> int:
    return -(-matrix.num_columns // GROUP)


def _num_blocks(num_groups: int) -> int:
    return -(-num_groups // GROUPS_PER_BLOCK)
