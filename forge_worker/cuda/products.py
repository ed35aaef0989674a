"""Products: every matrix product of a model, with the work beside it, by the quickest way.

Up to 16 rows of a 16-bit precision go through kernels that read each weight once and fuse what is
around it (skinny.py). More rows, and float32, go through the library (gemm.py), with the norm and
the gate as kernels of their own.

The norm is fused in as long as that is cheaper than its launch, of some 2 µs. A block of 16 rows of
W (32 of gate|up) reads all rows of the residual again, out of a cache: for each k 32 (64) bytes of
W, 4 of every row of the residual and 2 of the norm's weight; where the norm ran before, 2 of every
row. Computed, not measured: if the L2 cache has 1.5 times the bandwidth of memory, 16 (32) bytes
come for nothing. 4 rows take 18, 8 rows take 34. Nor is the norm fused in float16, where residual ·
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
from forge_worker.ops.protocol import Array, LinearWeights, RmsNorm

MAX_FUSED_NORM_ROWS = 4


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
        self, residual: Array, norm: RmsNorm, weights: LinearWeights, out: Array
    ) -> None:
        """out = linear(rms_norm(residual)), for a residual in float32."""
        skinny = self._skinny_for(residual)
        if skinny is not None and len(residual) <= self._max_fused_norm_rows:
            skinny.norm_linear(residual, norm, weights, out)
            return
        for rows in _slabs(len(residual), len(self._scratch.normed)):
            normed = self._normed(residual[rows], norm)
            if skinny is not None:
                skinny.linear(normed, weights, out[rows])
            else:
                self._gemm(normed, weights.weight, out[rows], weights.bias, accumulate=False)

    def norm_gated(
        self, residual: Array, norm: RmsNorm, gate_up: LinearWeights, out: Array
    ) -> None:
        """out = silu(gate) · up of joined gate|up = linear(rms_norm(residual))."""
        skinny = self._skinny_for(residual)
        if skinny is not None and len(residual) <= self._max_fused_norm_rows:
            skinny.norm_gated(residual, norm, gate_up, out)
            return
        for rows in _slabs(len(residual), len(self._scratch.gate_up)):
            normed = self._normed(residual[rows], norm)
            if skinny is not None:
                skinny.gated(normed, gate_up, out[rows])
            else:
                self._gate(normed, gate_up, out[rows])

    def add_linear(self, residual: Array, x: Array, weights: LinearWeights) -> None:
        """residual += linear(x), in place and in float32."""
        skinny = self._skinny_for(x)
        if skinny is not None:
            skinny.add_linear(residual, x, weights)
        else:
            self._gemm(x, weights.weight, residual, weights.bias, accumulate=True)

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

    def _normed(self, residual: Array, norm: RmsNorm) -> Array:
        normed = self._scratch.normed[: len(residual)]
        self._norm.norm(residual, norm.weight, norm.eps, normed)
        return normed

    def _gate(self, normed: Array, weights: LinearWeights, out: Array) -> None:
        gate_up = self._scratch.gate_up[: len(normed)]
        self._gemm(normed, weights.weight, gate_up, weights.bias, accumulate=False)
        self._activation(gate_up, out)


def _slabs(num_rows: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, num_rows)) for start in range(0, num_rows, size))
