"""Products: every matrix product of a model, with the work beside it, by the quickest way.

Weights are numbers of the precision, or blocks that keep the bits of the files. Up to 16 rows
of a 16-bit precision go through kernels that read each weight once and fuse what is around it
(skinny.py). More rows, and float32, go through the library (gemm.py), with the norm and
the gate as kernels of their own; blocks are widened into a scratch for that, a weight at a time.
Joined parts of different formats are products of their own that write side by side for few rows,
and one product for many; where gate and up differ in format, they always are one.

The norm is fused in as long as that is cheaper than its launch, of some 2 µs. A block of 16 rows of
W (32 of gate|up) reads all rows of the residual again, out of a cache: for each k 32 (64) bytes of
W, 4 of every row of the residual and 4 of the norm's weight; where the norm ran before, 2 of every
row. Computed, not measured: if the L2 cache has 1.5 times the bandwidth of memory, 16 (32) bytes
come for nothing. 4 rows take 20, 8 rows take 36. Nor is the norm fused in float16, where residual ·
weight, not yet scaled down, may overflow.

Where `is_deterministic`, the bits of a row depend on nothing but that row: not on how many others
run beside it, nor on which of these ways that takes. So there is one way, the library with one
algorithm a weight (cublaslt.py), for every number of rows. Allocates nothing; knows no layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint.families import Activation
from forge_worker.cuda.activation import GatedActivation
from forge_worker.cuda.block_matrix import BlockMatrix, JoinedBlocks
from forge_worker.cuda.dequantise import Dequantise
from forge_worker.cuda.device import Device
from forge_worker.cuda.gemm import Gemm
from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.norm import RmsNormKernels
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.skinny import MAX_ROWS, VECTOR, SkinnyKernels
from forge_worker.ops.protocol import Array, Joining, LinearWeights, RmsNorm

MAX_FUSED_NORM_ROWS = 4
PLAINLY = Joining()


class ProductShapes(NamedTuple):
    precision: Precision
    hidden_size: int
    intermediate_size: int  # on this device
    is_deterministic: bool
    activation: Activation = "silu"
    block_formats: tuple[str, ...] = ()  # of weights that are kept in blocks


def product_shapes(sizes: EngineSizes) -> ProductShapes:
    config = sizes.config
    return ProductShapes(
        sizes.precision,
        config.hidden_size,
        config.intermediate_size,
        sizes.is_deterministic,
        config.activation,
        sizes.blocks.formats,
    )


class ProductScratch(NamedTuple):
    """What lies between two kernels; a step of more rows goes through it in slabs."""

    normed: Array  # [num_rows, hidden_size] of the precision
    gate_up: Array  # [num_rows, 2 · intermediate_size] of the precision
    partial: Array  # float32 [num_rows, hidden_size]; no rows where every product is added as it is
    dequantised: Array | None = None  # flat, of the precision: the largest weight in blocks


class Products:
    def __init__(
        self, device: Device, shapes: ProductShapes, gemm: Gemm, scratch: ProductScratch
    ) -> None:
        self._gemm = gemm
        self._scratch = scratch
        self._norm = RmsNormKernels(device, shapes.precision, shapes.hidden_size)
        inner = shapes.intermediate_size
        self._activation = GatedActivation(device, shapes.precision, inner, shapes.activation)
        self._dequantise = Dequantise(
            device, shapes.precision, shapes.block_formats, scratch.dequantised
        )
        has_skinny = shapes.precision is not Precision.FLOAT32 and not shapes.is_deterministic
        kinds = (None, *shapes.block_formats) if has_skinny else ()
        self._skinny = {
            blocks: SkinnyKernels(device, shapes.precision, shapes.activation, blocks)
            for blocks in kinds
        }
        can_fuse_norm = shapes.precision is Precision.BFLOAT16
        self._max_fused_norm_rows = MAX_FUSED_NORM_ROWS if can_fuse_norm else 0

    def norm_linear(
        self, residual: Array, norm: RmsNorm | None, weights: LinearWeights, out: Array
    ) -> None:
        """out = linear(rms_norm(residual)), for a residual in float32; or of it as it is."""
        if self._is_skinny(residual):
            self._few_rows(residual, norm, weights, out)
            return
        matrix = self._matrix(weights.weight)
        for rows in _slabs(len(residual), len(self._scratch.normed)):
            normed = self.normed(residual[rows], norm)
            self._gemm(normed, matrix, out[rows], weights.bias, accumulate=False)

    def norm_gated(
        self, residual: Array, norm: RmsNorm | None, gate_up: LinearWeights, out: Array
    ) -> None:
        """out = act(gate) · up of gate|up = linear(rms_norm(residual)), or of it as it is."""
        way = self._way(residual, gate_up)
        if way is not None and norm is not None and self._can_fuse_norm(residual):
            way.skinny.norm_gated(residual, norm, way.weights, out)
            return
        whole = gate_up if way is not None else self._whole(gate_up)
        for rows in _slabs(len(residual), len(self._scratch.gate_up)):
            normed = self.normed(residual[rows], norm)
            if way is not None:
                way.skinny.gated(normed, way.weights, out[rows])
            else:
                self._gate(normed, whole, out[rows])

    def add_linear(
        self, residual: Array, x: Array, weights: LinearWeights, joining: Joining
    ) -> None:
        """residual += scale · norm(linear(x)), in place and in float32."""
        way = self._way(x, weights)
        if way is not None and joining.norm is None:
            way.skinny.add_linear(residual, x, way.weights, joining.scale)
        elif joining == PLAINLY:
            matrix = self._matrix(weights.weight)
            self._gemm(x, matrix, residual, weights.bias, accumulate=True)
        else:
            self._join_linear(residual, x, weights, joining)

    def partial(self, x: Array, weights: LinearWeights, out: Array) -> None:
        """out = linear(x) in float32: what something else is still done to."""
        way = self._way(x, weights)
        if way is not None:
            way.skinny.partial_linear(x, way.weights, out)
        else:
            self._gemm(x, self._matrix(weights.weight), out, weights.bias, accumulate=False)

    def logits(self, x: Array, weight: Array, out: Array) -> None:
        """out = x · weightᵀ in float32."""
        way = self._way(x, LinearWeights(weight, None))
        if way is not None:
            way.skinny.logits(x, way.weights.weight, out)
        else:
            self._gemm(x, self._matrix(weight), out, accumulate=False)

    def embed(
        self, table: JoinedBlocks, token_ids: Array, residual: Array, scale: np.float32
    ) -> None:
        """residual, float32 [T, hidden] = scale · rows of `table`."""
        self._dequantise.embed(table, token_ids, residual, scale)

    def _is_skinny(self, x: Array) -> bool:
        """Whether there are kernels for `x`, or for the residual it comes from."""
        num_rows, size_k = x.shape
        return bool(self._skinny) and 0 < num_rows <= MAX_ROWS and size_k % VECTOR == 0

    def _way(self, x: Array, weights: LinearWeights) -> _Way | None:
        """The kernels for few rows, where there are some for all of a weight at once."""
        parts = _parts(weights)
        return self._way_of(parts[0]) if self._is_skinny(x) and len(parts) == 1 else None

    def _way_of(self, part: LinearWeights) -> _Way:
        matrix = part.weight
        return _Way(self._skinny[matrix.format if isinstance(matrix, BlockMatrix) else None], part)

    def _few_rows(
        self, residual: Array, norm: RmsNorm | None, weights: LinearWeights, out: Array
    ) -> None:
        """Part by part, each writing its own columns of `out`."""
        if norm is not None and self._can_fuse_norm(residual):
            for (skinny, part), columns in self._ways(weights, out):
                skinny.norm_linear(residual, norm, part, columns)
            return
        for rows in _slabs(len(residual), len(self._scratch.normed)):
            normed = self.normed(residual[rows], norm)
            for (skinny, part), columns in self._ways(weights, out[rows]):
                skinny.linear(normed, part, columns)

    def _ways(self, weights: LinearWeights, out: Array) -> Iterator[tuple[_Way, Array]]:
        first = 0
        for part in _parts(weights):
            num_features = part.weight.shape[0]
            yield self._way_of(part), out[:, first : first + num_features]
            first += num_features

    def _matrix(self, weight: Array | JoinedBlocks) -> Array:
        """In numbers of the precision, until another weight is asked for."""
        return self._dequantise(weight) if isinstance(weight, JoinedBlocks) else weight

    def _whole(self, weights: LinearWeights) -> LinearWeights:
        return LinearWeights(self._matrix(weights.weight), weights.bias)

    def normed(self, residual: Array, norm: RmsNorm | None) -> Array:
        """norm(residual), or the residual itself, in the precision: in the scratch of as many
        rows."""
        normed = self._scratch.normed[: len(residual)]
        if norm is None:
            self._norm.cast(residual, normed)
        else:
            self._norm.norm(residual, norm.weight, norm.eps, normed)
        return normed

    def _can_fuse_norm(self, residual: Array) -> bool:
        return len(residual) <= self._max_fused_norm_rows

    def _join_linear(
        self, residual: Array, x: Array, weights: LinearWeights, joining: Joining
    ) -> None:
        for rows in _slabs(len(x), len(self._scratch.partial)):
            partial = self._scratch.partial[: rows.stop - rows.start]
            self.partial(x[rows], weights, partial)
            self._norm.join(residual[rows], partial, joining)

    def _gate(self, normed: Array, weights: LinearWeights, out: Array) -> None:
        gate_up = self._scratch.gate_up[: len(normed)]
        self._gemm(normed, weights.weight, gate_up, weights.bias, accumulate=False)
        self._activation(gate_up, out)


class _Way(NamedTuple):
    """A product for few rows."""

    skinny: SkinnyKernels
    weights: LinearWeights  # numbers, or one BlockMatrix


def _parts(weights: LinearWeights) -> list[LinearWeights]:
    """As many as have formats of their own, with their shares of the bias."""
    if not isinstance(weights.weight, JoinedBlocks):
        return [weights]
    parts, first = [], 0
    for matrix in weights.weight.parts:
        rows = slice(first, first + matrix.num_rows)
        parts.append(LinearWeights(matrix, None if weights.bias is None else weights.bias[rows]))
        first += matrix.num_rows
    return parts


def _slabs(num_rows: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, num_rows)) for start in range(0, num_rows, size))
