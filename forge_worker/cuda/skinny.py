"""SkinnyKernels: products for 1 to 16 rows, with what stands before and after them fused in.

See kernels/skinny.cu. Weights are numbers of the precision, or blocks of one format. A row's bits
depend neither on how many rows are with it nor on their values. Only for 16-bit precisions.
Allocates nothing; knows no layer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_common.checkpoint.families import Activation
from forge_worker.cuda.block_matrix import BlockMatrix
from forge_worker.cuda.device import Argument, Device, KernelSource
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.shapes import require, row_stride
from forge_worker.ops.protocol import Array, LinearWeights, RmsNorm

MAX_ROWS = 16
MAX_NORM_ROWS = 8  # with the norm fused in
VECTOR = 8  # elements in 16 bytes: what the length of a row must be a multiple of

_TILE_ROWS = 8


class _Size(NamedTuple):
    num_rows: int
    num_features: int  # of the output
    size_k: int


class _Form(NamedTuple):
    """How a block is built; the name is that of skinny.cu."""

    name: str
    num_threads: int
    features_per_block: int


_DEEP = _Form("deep", num_threads=512, features_per_block=16)
_NARROW = _Form("narrow", num_threads=256, features_per_block=16)
_WIDE = _Form("wide", num_threads=256, features_per_block=32)
_GATED = _Form("wide", num_threads=256, features_per_block=16)


class SkinnyKernels:
    def __init__(
        self,
        device: Device,
        precision: Precision,
        activation: Activation,
        blocks: str | None = None,
    ) -> None:
        """`blocks`: the format of weights, which are BlockMatrix then."""
        if precision is Precision.FLOAT32:
            raise ValueError("tensor cores multiply 16-bit numbers, not float32")
        constants = (("ELEMENT", precision.kernel_type), ("ACTIVATION", activation))
        of_blocks = () if blocks is None else (("BLOCKS", blocks),)
        self._kernels = device.kernels(KernelSource("skinny.cu", (*constants, *of_blocks)))
        self._blocks = blocks
        self._dtype = precision.dtype
        self._num_multiprocessors = device.info.num_multiprocessors

    def linear(self, x: Array, weights: LinearWeights, out: Array) -> None:
        """out = x · weightᵀ + bias. Rows of `out` may lie further apart than they are long."""
        size = self._size(x, weights.weight)
        require("x", x, (size.num_rows, size.size_k), self._dtype)
        stride = row_stride("out", out, (size.num_rows, size.num_features), self._dtype)
        arguments = (out[0], x, *self._weights(weights, size), np.int32(stride))
        self._launch("linear", self._form(size), arguments, size)

    def add_linear(
        self, residual: Array, x: Array, weights: LinearWeights, scale: float = 1.0
    ) -> None:
        """residual += scale · (x · weightᵀ + bias), in float32."""
        size = self._size(x, weights.weight)
        require("residual", residual, (size.num_rows, size.num_features), np.float32)
        arguments = (*self._added(residual, x, weights, size), np.int32(True), np.float32(scale))
        self._launch("add", self._form(size), arguments, size)

    def partial_linear(self, x: Array, weights: LinearWeights, out: Array) -> None:
        """out = x · weightᵀ + bias, in float32."""
        size = self._size(x, weights.weight)
        require("out", out, (size.num_rows, size.num_features), np.float32)
        arguments = (*self._added(out, x, weights, size), np.int32(False), np.float32(1))
        self._launch("add", self._form(size), arguments, size)

    def logits(self, x: Array, weight: Array, out: Array) -> None:
        """out = x · weightᵀ, in float32."""
        size = self._size(x, weight)
        require("x", x, (size.num_rows, size.size_k), self._dtype)
        require("out", out, (size.num_rows, size.num_features), np.float32)
        self._launch("logits", _WIDE, (out, x, self._memory(weight, size)), size)

    def gated(self, x: Array, gate_up: LinearWeights, out: Array) -> None:
        """out = activation(gate) · up of gate|up = x · weightᵀ + bias."""
        joined = self._size(x, gate_up.weight)
        require("x", x, (joined.num_rows, joined.size_k), self._dtype)
        size = self._gated_size(joined, out)
        self._launch("gated", _GATED, (out, x, *self._weights(gate_up, joined)), size)

    def norm_linear(
        self, residual: Array, norm: RmsNorm, weights: LinearWeights, out: Array
    ) -> None:
        """As `linear`, of rms_norm(residual), for at most MAX_NORM_ROWS rows."""
        size = self._size(residual, weights.weight)
        stride = row_stride("out", out, (size.num_rows, size.num_features), self._dtype)
        of_weights = (*self._weights(weights, size), np.int32(stride))
        arguments = (out[0], *self._norm(residual, norm, size), *of_weights)
        self._launch("norm_linear", self._form(size), arguments, size)

    def norm_gated(
        self, residual: Array, norm: RmsNorm, gate_up: LinearWeights, out: Array
    ) -> None:
        """`gated` of rms_norm(residual), for at most MAX_NORM_ROWS rows."""
        joined = self._size(residual, gate_up.weight)
        size = self._gated_size(joined, out)
        arguments = (out, *self._norm(residual, norm, size), *self._weights(gate_up, joined))
        self._launch("norm_gated", _GATED, arguments, size)

    def _size(self, x: Array, weight: Array) -> _Size:
        size = _Size(x.shape[0], weight.shape[0], weight.shape[1])
        if not 1 <= size.num_rows <= MAX_ROWS or size.size_k % VECTOR:
            raise ValueError(
                f"a product of {size.num_rows} rows of {size.size_k}, not of 1 to {MAX_ROWS} rows"
                f" of a multiple of {VECTOR}"
            )
        return size

    def _gated_size(self, joined: _Size, out: Array) -> _Size:
        size = joined._replace(num_features=joined.num_features // 2)
        require("out", out, (size.num_rows, size.num_features), self._dtype)
        return size

    def _norm(self, residual: Array, norm: RmsNorm, size: _Size) -> tuple[Argument, ...]:
        if size.num_rows > MAX_NORM_ROWS:
            raise ValueError(f"a norm fused in for {size.num_rows} rows, not {MAX_NORM_ROWS}")
        require("residual", residual, (size.num_rows, size.size_k), np.float32)
        require("norm weight", norm.weight, (size.size_k,), np.float32)
        return residual, norm.weight, np.float32(norm.eps)

    def _added(
        self, out: Array, x: Array, weights: LinearWeights, size: _Size
    ) -> tuple[Argument, ...]:
        require("x", x, (size.num_rows, size.size_k), self._dtype)
        return (out, x, *self._weights(weights, size))

    def _weights(self, weights: LinearWeights, size: _Size) -> tuple[Argument, ...]:
        memory, bias = self._memory(weights.weight, size), weights.bias
        if bias is None:
            return memory, memory, np.int32(False)  # any address does: it is not read
        require("bias", bias, (size.num_features,), self._dtype)
        return memory, bias, np.int32(True)

    def _memory(self, weight: Array | BlockMatrix, size: _Size) -> Array:
        if self._blocks is None:
            require("weight", weight, (size.num_features, size.size_k), self._dtype)
            return weight
        if weight.format != self._blocks:
            raise ValueError(f"weight is {weight.format}, not {self._blocks}")
        return weight.memory

    def _form(self, size: _Size) -> _Form:
        """More warps a block where no multiprocessor would get a second one."""
        num_blocks = _num_blocks(_NARROW, size)
        return _DEEP if num_blocks <= self._num_multiprocessors else _NARROW

    def _launch(
        self, operation: str, form: _Form, arguments: tuple[Argument, ...], size: _Size
    ) -> None:
        max_rows = _TILE_ROWS if size.num_rows <= _TILE_ROWS else MAX_ROWS
        kernel = self._kernels[f"{operation}_{form.name}_{max_rows}"]
        grid = (_num_blocks(form, size), 1, 1)
        kernel(grid, (form.num_threads, 1, 1), (*arguments, *map(np.int32, size)))


def _num_blocks(form: _Form, size: _Size) -> int:
    return -(-size.num_features // form.features_per_block)
