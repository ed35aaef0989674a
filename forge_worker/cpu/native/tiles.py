"""How weights lie in memory: 16 rows to a tile, so that a vector holds one column of 16 outputs.

    matrix [num_rows, num_columns]  ->  tiles of 16 rows, zeros behind the last row

Columns are padded to a multiple of 32; what a tile holds is for its format to say. Kernels take two
tiles at a time, a pair: neighbours, or a tile of a gate and one of what it gates. Knows no
instructions.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

from forge_common.weight_format import TILE_COLUMNS, TILE_ROWS, FormatName

__all__ = ["BLOCK", "TILE_ROWS", "ActivationKind", "FormatName"]

BLOCK = TILE_COLUMNS  # columns that share what a format holds once a block

ActivationKind = Literal["float32", "bfloat16", "int8"]  # what a product reads beside weights


class BlockSums(IntEnum):
    """Planes of a row of the sums of int8 activations, each [columns / 32]; S is a block's sum."""

    OF_BYTES = 0  # int32: -128 · S
    OF_NIBBLES = 1  # int32: -8 · S
    FIRST_HALF = 2  # int32: -32 · the sum of the block's first half
    SECOND_HALF = 3  # int32: -32 · that of its second half
    SCALED = 4  # float32: -scale · S


NUM_SUMS = len(BlockSums)


def padded_columns(num_columns: int) -> int:
    return -(-num_columns // BLOCK) * BLOCK


def num_tiles(num_rows: int) -> int:
    return -(-num_rows // TILE_ROWS)
