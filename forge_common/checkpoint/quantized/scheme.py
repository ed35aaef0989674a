"""Scheme: how the weights of one checkpoint are quantised, whatever tool did it.

    gptq      words of n integers along the inputs, [inputs / n, outputs]; groups may lie anyhow
    awq       words of 8 integers along the outputs, in an order of theirs, [inputs, outputs / 8]
    packed    words of n integers along the inputs, [outputs, inputs / n] (compressed-tensors)
    int8      a byte each, signed (compressed-tensors)
    fp8       a byte each: 4 bits of exponent, 3 of mantissa, no infinity (Micikevicius et al. 2022)

A number is (integer - zero point) · scale, or fp8 · scale. Knows no tensors.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

SchemeKind = Literal["gptq", "awq", "packed", "int8", "fp8"]
FourOrEight = Literal[4, 8]


class Grid(Struct, frozen=True):
    """How many rows and columns of a weight share one scale; None for all of them."""

    rows: int | None
    columns: int | None


class Scheme(Struct, frozen=True, kw_only=True):
    kind: SchemeKind
    bits: FourOrEight
    grid: Grid | None  # None: as the scales' shape says, for all numbers or for each row
    is_symmetric: bool  # zero points are in the middle, so that files may leave them out
    has_order: bool = False  # inputs of a group need not be neighbours
    stores_zeros_less_one: bool = False

    @property
    def middle(self) -> int:
        """What stands for zero where integers without a sign have no zero points."""
        return 1 << (self.bits - 1)

    @property
    def num_a_word(self) -> int:
        return 32 // self.bits
