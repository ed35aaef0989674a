"""Gemm: a matrix product from a library, for as many rows as make tensor cores worth filling.

cublasLt is the real one; the tests have one in NumPy. Knows no layer.
"""

from __future__ import annotations

from typing import Protocol

from forge_worker.ops.protocol import Array


class Gemm(Protocol):
    def __call__(
        self, x: Array, weight: Array, out: Array, bias: Array | None = None, *, accumulate: bool
    ) -> None:
        """Queue out = x · weightᵀ + bias, or with `accumulate` out += x · weightᵀ + bias.

        `x` [T, K], `weight` [N, K] and `bias` [N] are of the model's precision; `out` [T, N] is of
        the same or float32. Sums are float32, rounded once. Rows of `x` and `out` may lie further
        apart than they are long. Allocates nothing and may be captured.
        """
