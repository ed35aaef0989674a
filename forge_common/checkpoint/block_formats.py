"""The formats of numbers: how many of them make a block, and how many bytes it has.

A tensor of a block format is rows of whole blocks, so a row has a whole number of bytes. Numbers
and names are ggml's (github.com/ggml-org/ggml, `ggml.h`), but for runs: the form that a weight told
by several tensors is brought into for a GPU, which no file has. Knows sizes, not what the bits
mean: `forge_worker/quantization/` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class NumberFormat(NamedTuple):
    """`block_elements` is 1 where each number stands for itself."""

    name: str
    block_elements: int
    block_bytes: int

    def row_bytes(self, num_elements: int) -> int:
        """Of a row of `num_elements`, which must be whole blocks."""
        return num_elements // self.block_elements * self.block_bytes


FORMATS_BY_ID: Mapping[int, NumberFormat] = MappingProxyType(
    {
        0: NumberFormat("F32", 1, 4),
        1: NumberFormat("F16", 1, 2),
        2: NumberFormat("Q4_0", 32, 18),
        3: NumberFormat("Q4_1", 32, 20),
        6: NumberFormat("Q5_0", 32, 22),
        7: NumberFormat("Q5_1", 32, 24),
        8: NumberFormat("Q8_0", 32, 34),
        10: NumberFormat("Q2_K", 256, 84),
        11: NumberFormat("Q3_K", 256, 110),
        12: NumberFormat("Q4_K", 256, 144),
        13: NumberFormat("Q5_K", 256, 176),
        14: NumberFormat("Q6_K", 256, 210),
        15: NumberFormat("Q8_K", 256, 292),
        20: NumberFormat("IQ4_NL", 32, 18),
        23: NumberFormat("IQ4_XS", 256, 136),
        30: NumberFormat("BF16", 1, 2),
    }
)
BLOCK_FORMATS: Mapping[str, NumberFormat] = MappingProxyType(
    {f.name: f for f in FORMATS_BY_ID.values() if f.block_elements > 1}
)
_RUNS = (
    NumberFormat("I4_32", 32, 20),
    NumberFormat("I4_64", 64, 36),
    NumberFormat("I4_128", 128, 68),
    NumberFormat("E4M3_128", 128, 132),
)
RUN_FORMATS: Mapping[str, NumberFormat] = MappingProxyType({f.name: f for f in _RUNS})
STORED_FORMATS: Mapping[str, NumberFormat] = MappingProxyType({**BLOCK_FORMATS, **RUN_FORMATS})
