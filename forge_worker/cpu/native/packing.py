"""PackedMatrix: weights in tiles, repacked once at load, tensor by tensor and 16 rows at a time.

What a file holds is read where it is mapped and written where it stays, by all threads, so that
there are never two copies of a model. Neighbouring tensors of one format become one run of rows.
Knows no names and no layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_common.checkpoint.block_formats import BLOCK_FORMATS
from forge_worker.cpu.native.formats import BlockSource, FillTile, WeightFormat
from forge_worker.cpu.native.kernel import Kernel, compile_kernel, inlined
from forge_worker.cpu.native.lanes import load16, load16_bfloats, load16_halves, store16
from forge_worker.cpu.native.memory import (
    read_bfloat,
    read_byte,
    read_float,
    read_half,
    read_long,
    write_byte,
    write_float,
)
from forge_worker.cpu.native.pool import Bytes, NativePool, Record, aligned_bytes
from forge_worker.cpu.native.tiles import TILE_ROWS, num_tiles, padded_columns
from forge_worker.weights.stored_tensor import StoredDtype, StoredTensor

DTYPE_CODES: dict[StoredDtype, int] = {"F32": 0, "F16": 1, "BF16": 2}
OF_BLOCKS = 0
WIDTHS = (4, 2, 2)
PAIR = 2


class PackArguments(NamedTuple):
    """In the order of the record, which the sources follow."""

    tiles: int
    tile_bytes: int
    num_columns: int
    length: int
    num_sources: int


class Source(NamedTuple):
    """Rows of one tensor of a file."""

    address: int
    row_bytes: int
    dtype: int  # of DTYPE_CODES; without meaning where blocks are copied
    num_rows: int


AT = PackArguments(*range(0, 8 * len(PackArguments._fields), 8))
SOURCE_AT = Source(*range(0, 8 * len(Source._fields), 8))
SOURCES = 8 * len(PackArguments._fields)
SOURCE_BYTES = 8 * len(Source._fields)


class PackedPart(NamedTuple):
    """Rows in one format, tiles one behind the other, an even number of them."""

    format: WeightFormat
    tiles: Bytes
    num_rows: int
    num_columns: int

    @property
    def tile_bytes(self) -> int:
        return self.format.tile_bytes(self.num_columns)


@dataclass(frozen=True, slots=True)
class PackedMatrix:
    """[num_rows, num_columns]"""

    parts: tuple[PackedPart, ...]  # one below the other

    @property
    def num_rows(self) -> int:
        return sum(part.num_rows for part in self.parts)

    @property
    def num_columns(self) -> int:
        return self.parts[0].num_columns

    @property
    def num_bytes(self) -> int:
        return sum(part.tiles.nbytes for part in self.parts)

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, rows: slice) -> PackedMatrix:
        """Some rows, not copied: from a pair of tiles on to the end of one, or to the end."""
        start, stop, step = rows.indices(self.num_rows)
        pair_rows = PAIR * TILE_ROWS
        is_cut = start % pair_rows != 0 or (stop % pair_rows != 0 and stop != self.num_rows)
        if step != 1 or is_cut or len(self.parts) != 1:
            raise ValueError(f"rows {start}..{stop} of a packed matrix begin or end inside a tile")
        part = self.parts[0]
        last = num_tiles(stop) + num_tiles(stop) % PAIR
        tiles = part.tiles[start // TILE_ROWS * part.tile_bytes : last * part.tile_bytes]
        return PackedMatrix((part._replace(tiles=tiles, num_rows=stop - start),))


def pack_rows(
    pool: NativePool, kernel: Kernel, format_: WeightFormat, sources: Sequence[StoredTensor]
) -> PackedPart:
    """Tensors [rows, columns] one below the other, all in one format, and all of plain numbers or
    all of the format's blocks; `kernel` is the format's for such."""
    num_rows, num_columns = sum(len(source.array) for source in sources), sources[0].shape[1]
    length, count = padded_columns(num_columns), num_tiles(num_rows)
    tile_bytes = format_.tile_bytes(num_columns)
    tiles = aligned_bytes(-(-count // PAIR) * PAIR * tile_bytes)
    arguments = PackArguments(tiles.ctypes.data, tile_bytes, num_columns, length, len(sources))
    arrays = [_rows_in_place(source.array) for source in sources]
    values = list(arguments)
    for source, array in zip(sources, arrays, strict=True):
        code = DTYPE_CODES.get(source.dtype, OF_BLOCKS)
        values += Source(array.ctypes.data, array.strides[0], code, len(array))
    pool.reserve_scratch(4 * TILE_ROWS * length)
    pool.run(kernel, Record(values), count)
    return PackedPart(format_, tiles, num_rows, num_columns)


def _rows_in_place(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As it is where its rows are whole, which they are but for odd slices."""
    is_whole = array.strides[1] == array.itemsize and array.strides[0] > 0
    return array if is_whole else np.ascontiguousarray(array)


def compile_pack(fill_tile: FillTile, name: str) -> Kernel:
    """From plain numbers."""

    def pack(arguments: int, task: int, scratch: int) -> None:
        """One tile."""
        length = read_long(arguments + AT.length)
        for lane in range(TILE_ROWS):
            widen_row(arguments, TILE_ROWS * task + lane, scratch + 4 * lane * length)
        tile_bytes = read_long(arguments + AT.tile_bytes)
        fill_tile(scratch, length, read_long(arguments + AT.tiles) + task * tile_bytes)

    return compile_kernel(pack, name)


def compile_pack_blocks(blocks: BlockSource, name: str) -> Kernel:
    """From rows of the format's blocks."""
    number_format = BLOCK_FORMATS[blocks.dtype]
    fill_tile, elements = blocks.fill_tile, number_format.block_elements
    block_bytes = number_format.block_bytes

    def pack_blocks(arguments: int, task: int, scratch: int) -> None:
        """One tile."""
        length = read_long(arguments + AT.length)
        row_bytes = length // elements * block_bytes
        for lane in range(TILE_ROWS):
            copy_row(arguments, TILE_ROWS * task + lane, row_bytes, scratch + lane * row_bytes)
        tile_bytes = read_long(arguments + AT.tile_bytes)
        fill_tile(scratch, length, read_long(arguments + AT.tiles) + task * tile_bytes)

    return compile_kernel(pack_blocks, name)


@inlined
def copy_row(arguments: int, row: int, num_bytes: int, out: int) -> None:
    """A row's blocks; zeros, which are numbers of 0, where there is no such row."""
    source, row = find_row(arguments, row)
    if source == 0:
        for index in range(num_bytes):
            write_byte(out + index, 0)
        return
    numbers = row_address(source, row)
    for index in range(num_bytes):
        write_byte(out + index, read_byte(numbers + index))


@inlined
def widen_row(arguments: int, row: int, out: int) -> None:
    """A row as float32, zeros behind it; zeros throughout where there is no such row."""
    length = read_long(arguments + AT.length)
    for column in range(length):
        write_float(out + 4 * column, 0.0)
    source, row = find_row(arguments, row)
    if source != 0:
        dtype, count = read_long(source + SOURCE_AT.dtype), read_long(arguments + AT.num_columns)
        widen(row_address(source, row), dtype, count, out)


@inlined
def find_row(arguments: int, row: int) -> tuple[int, int]:
    """The address of its source, 0 for none, and its number there."""
    source = arguments + SOURCES
    for _ in range(read_long(arguments + AT.num_sources)):
        num_rows = read_long(source + SOURCE_AT.num_rows)
        if row < num_rows:
            return source, row
        row -= num_rows
        source += SOURCE_BYTES
    return 0, row


@inlined
def row_address(source: int, row: int) -> int:
    first, row_bytes = (
        read_long(source + SOURCE_AT.address),
        read_long(source + SOURCE_AT.row_bytes),
    )
    return first + row * row_bytes  # type: ignore[no-any-return]


@inlined
def widen(numbers: int, dtype: int, count: int, out: int) -> None:
    whole = count // 16 * 16
    width = WIDTHS[dtype]
    for first in range(0, whole, 16):
        store16(out + 4 * first, widened16(numbers + width * first, dtype))
    for index in range(whole, count):
        write_float(out + 4 * index, widened(numbers + width * index, dtype))


@inlined
def widened16(address: int, dtype: int) -> object:
    if dtype == 0:
        return load16(address)
    if dtype == 1:
        return load16_halves(address)
    return load16_bfloats(address)


@inlined
def widened(address: int, dtype: int) -> float:
    if dtype == 0:
        return read_float(address)  # type: ignore[no-any-return]
    if dtype == 1:
        return read_half(address)  # type: ignore[no-any-return]
    return read_bfloat(address)  # type: ignore[no-any-return]
