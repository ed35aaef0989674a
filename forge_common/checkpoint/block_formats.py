"""The formats of numbers in GGUF files: how many numbers make a block, and how many bytes it has.

A tensor of a block format is rows of whole blocks, so a row has a whole number of bytes. Numbers
and names are ggml's (github.com/ggml-org/ggml, `ggml.h`). Knows sizes, not what the bits mean:
`forge_worker/quantization/` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class NumberFormat(NamedTuple):
    """`block_elements` is 1 where each number stands for itself."""

    type_id: int
    name: str
    block_elements: int
    block_bytes: int

    def row_bytes(self, num_elements: int) -> int:
        """Of a row of `num_elements`, which must be whole blocks."""
        return num_elements // self.block_elements * self.block_bytes


_FORMATS = (
    NumberFormat(0, "F32", 1, 4),
    NumberFormat(1, "F16", 1, 2),
    NumberFormat(2, "Q4_0", 32, 18),
    NumberFormat(3, "Q4_1", 32, 20),
    NumberFormat(6, "Q5_0", 32, 22),
    NumberFormat(7, "Q5_1", 32, 24),
    NumberFormat(8, "Q8_0", 32, 34),
    NumberFormat(10, "Q2_K", 256, 84),
    NumberFormat(11, "Q3_K", 256, 110),
    NumberFormat(12, "Q4_K", 256, 144),
    NumberFormat(13, "Q5_K", 256, 176),
    NumberFormat(14, "Q6_K", 256, 210),
    NumberFormat(15, "Q8_K", 256, 292),
    NumberFormat(20, "IQ4_NL", 32, 18),
    NumberFormat(23, "IQ4_XS", 256, 136),
    NumberFormat(30, "BF16", 1, 2),
)

FORMATS_BY_ID: Mapping[int, NumberFormat] = MappingProxyType({f.type_id: f for f in _FORMATS})
BLOCK_FORMATS: Mapping[str, NumberFormat] = MappingProxyType(
    {f.name: f for f in _FORMATS if f.block_elements > 1}
)
