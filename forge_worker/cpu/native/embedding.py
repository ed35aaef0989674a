"""Rows of a packed table, one for each token, times a scale.

Knows formats only by what reads a row of a tile.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_worker.cpu.native.activations import copy_padded
from forge_worker.cpu.native.formats import WeightFormat
from forge_worker.cpu.native.kernel import Kernel, compile_kernel
from forge_worker.cpu.native.memory import read_float, read_int, read_long, write_float
from forge_worker.cpu.native.tiles import TILE_ROWS


class EmbedArguments(NamedTuple):
    """In the order of the record."""

    tiles: int
    tile_bytes: int
    num_columns: int
    length: int
    token_ids_address: int  # where the address of the int32 ids stands
    out: int  # float32
    out_bytes: int  # of a row
    scale_bits: int  # float32


AT = EmbedArguments(*range(0, 8 * len(EmbedArguments._fields), 8))


def compile_embed(format_: WeightFormat, name: str) -> Kernel:
    read_row = format_.read_row

    def embed(arguments: int, task: int, scratch: int) -> None:
        token_id = read_int(read_long(read_long(arguments + AT.token_ids_address)) + 4 * task)
        tile_bytes, length = read_long(arguments + AT.tile_bytes), read_long(arguments + AT.length)
        tile = read_long(arguments + AT.tiles) + token_id // TILE_ROWS * tile_bytes
        read_row(tile, token_id % TILE_ROWS, length, scratch)
        scale = read_float(arguments + AT.scale_bits)
        if scale != 1:
            for column in range(length):
                write_float(scratch + 4 * column, read_float(scratch + 4 * column) * scale)
        num_columns = read_long(arguments + AT.num_columns)
        out = read_long(arguments + AT.out) + task * read_long(arguments + AT.out_bytes)
        copy_padded(scratch, num_columns, num_columns, out)

    return compile_kernel(embed, name)
