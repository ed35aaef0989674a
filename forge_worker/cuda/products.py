"""Products: every matrix product of a model, with the work beside it, by the quickest way.

Up to 16 rows of a 16-bit precision go through kernels that read each weight once and fuse what is
around it (skinny.py). More rows, and float32, go through the library (gemm.py), with the norm and
the gate as kernels of their own.

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

from forge_common.checkpoint.families import Activation
from forge_worker.cuda.activation import GatedActivation
from forge_worker.cuda.device import Device
from forge_worker.cuda.gemm import Gemm
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


class ProductScratch(NamedTuple):
    """What lies between two kernels; a step of more rows goes through it in slabs."""

    normed: Array  # [num_rows, hidden_size] of the precision
    gate_up: Array  # [num_rows, 2 · intermediate_size] of the precision
    partial: Array  # float32 [num_rows, hidden_size]; no rows where every product is added as it is


class Products:
    def __init__(
        self, device: Device, shapes: ProductShapes, gemm: Gemm, scratch: ProductScratch
    ) -> None:
        self._gemm = gemm
        self._scratch = scratch
        self._norm = RmsNormKernels(device, shapes.precision, shapes.hidden_size)
        inner = shapes.intermediate_size
        self._activation = GatedActivation(device, shapes.precision, inner, shapes.activation)
        has_skinny = shapes.precision is not Precision.FLOAT32 and not shapes.is_deterministic
        self._skinny = (
            SkinnyKernels(device, shapes.precision, shapes.activation) if has_skinny else None
        )
        can_fuse_norm = shapes.precision is Precision.BFLOAT16
        self._max_fused_norm_rows = MAX_FUSED_NORM_ROWS if can_fuse_norm else 0

    def norm_linear(
        self, residual: Array, norm: RmsNorm | None, weights: LinearWeights, out: Array
    ) -> None:
        """out = linear(rms_norm(residual)), for a residual in float32; or of it as it is."""
        skinny = self._skinny_for(residual)
        if skinny is not None and norm is not None and self._can_fuse_norm(residual):
            skinny.norm_linear(residual, norm, weights, out)
            return
        for rows in _slabs(len(residual), len(self._scratch.normed)):
            normed = self.normed(residual[rows], norm)
            if skinny is not None:
                skinny.linear(normed, weights, out[rows])
            else:
                self._gemm(normed, weights.weight, out[rows], weights.bias, accumulate=False)

    def norm_gated(
        self, residual: Array, norm: RmsNorm | None, gate_up: LinearWeights, out: Array
    ) -> None:
        """out = act(gate) · up of gate|up = linear(rms_norm(residual)), or of it as it is."""
        skinny = self._skinny_for(residual)
        if skinny is not None and norm is not None and self._can_fuse_norm(residual):
            skinny.norm_gated(residual, norm, gate_up, out)
            return
        for rows in _slabs(len(residual), len(self._scratch.gate_up)):
            normed = self.normed(residual[rows], norm)
            if skinny is not None:
                skinny.gated(normed, gate_up, out[rows])
            else:
                self._gate(normed, gate_up, out[rows])

    def add_linear(
        self, residual: Array, x: Array, weights: LinearWeights, joining: Joining
    ) -> None:
        """residual += scale · norm(linear(x)), in place and in float32."""
        skinny = self._skinny_for(x)
        if skinny is not None and joining.norm is None:
            skinny.add_linear(residual, x, weights, joining.scale)
        elif joining == PLAINLY:
            self._gemm(x, weights.weight, residual, weights.bias, accumulate=True)
        else:
            self._join_linear(residual, x, weights, joining)

    def partial(self, x: Array, weights: LinearWeights, out: Array) -> None:
        """out = linear(x) in float32: what something else is still done to."""
        skinny = self._skinny_for(x)
        if skinny is not None:
            skinny.partial_linear(x, weights, out)
        else:
            self._gemm(x, weights.weight, out, weights.bias, accumulate=False)

    def logits(self, x: Array, weight: Array, out: Array) -> None:
        """out = x · weightᵀ in float32."""
        skinny = self._skinny_for(x)
        if skinny is not None:
            skinny.logits(x, weight, out)
        else:
            self._gemm(x, weight, out, accumulate=False)

    def _skinny_for(self, x: Array) -> SkinnyKernels | None:
        """Where they can take `x`, or the residual it comes from."""
        num_rows, size_k = x.shape
        return self._skinny if 0 < num_rows <= MAX_ROWS and size_k % VECTOR == 0 else None

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


def _slabs(num_rows: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, num_rows)) for start in range(0, num_rows, size))
