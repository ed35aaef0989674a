"""The weight formats: how much a tile takes, how it is filled, read and multiplied.

A format fills a tile from 16 rows of float32, or of its own blocks, and gives back one row of a
tile, which is how tokens are embedded. Knows no files, no tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from forge_common.weight_format import TILE_BYTES
from forge_worker.cpu.native.block_codes import q4_0_code, q4_k_code, q5_k_code, q6_k_code
from forge_worker.cpu.native.block_packing import (
    fill_q4_0,
    fill_q4_k,
    fill_q5_k,
    fill_q6_k,
    fill_q8_0_blocks,
    read_q4_0,
    read_q4_k,
    read_q5_k,
    read_q6_k,
)
from forge_worker.cpu.native.gemm_bf16 import bf16_pair_product
from forge_worker.cpu.native.gemm_blocks import BlockCode, block_product
from forge_worker.cpu.native.gemm_float import bf16_product, f16_product, f32_product
from forge_worker.cpu.native.gemm_q8_0 import BLOCK_BYTES, SCALES_AT, q8_0_product
from forge_worker.cpu.native.host import InstructionSet
from forge_worker.cpu.native.kernel import inlined
from forge_worker.cpu.native.memory import (
    read_bfloat,
    read_byte,
    read_float,
    read_half,
    read_int,
    write_byte,
    write_float,
    write_half,
    write_short,
)
from forge_worker.cpu.native.microkernel import Microkernel
from forge_worker.cpu.native.tiles import (
    BLOCK,
    TILE_ROWS,
    ActivationKind,
    FormatName,
    padded_columns,
)
from forge_worker.weights.stored_tensor import BlockDtype

FillTile = Callable[[int, int, int], None]  # (rows [16][length], length, tile)
ReadRow = Callable[[int, int, int, int], None]  # (tile, lane, length, float32 [length])
LINE_BYTES = 64
HIGHEST = 127  # of a byte with a sign
EXPONENT, FRACTION_BIT = 0x7F80_0000, 0x40


class BlockSource(NamedTuple):
    """Rows of ggml's blocks, close together."""

    dtype: BlockDtype
    fill_tile: FillTile


class WeightFormat(NamedTuple):
    name: FormatName
    bytes_per_block: int  # of a tile's 16 rows and 32 columns
    fill_tile: FillTile | None  # from float32; None where only blocks will do
    read_row: ReadRow
    product: Callable[[InstructionSet], Microkernel]
    activation: Callable[[InstructionSet], ActivationKind]
    blocks: BlockSource | None = None

    def tile_bytes(self, num_columns: int) -> int:
        """Whole cache lines, since vectors are read from where a tile begins."""
        num_bytes = padded_columns(num_columns) // BLOCK * self.bytes_per_block
        return -(-num_bytes // LINE_BYTES) * LINE_BYTES


@inlined
def fill_f32(rows: int, length: int, tile: int) -> None:
    for column in range(length):
        for lane in range(TILE_ROWS):
            number = read_float(rows + 4 * (lane * length + column))
            write_float(tile + 4 * (TILE_ROWS * column + lane), number)


@inlined
def read_f32(tile: int, lane: int, length: int, out: int) -> None:
    for column in range(length):
        write_float(out + 4 * column, read_float(tile + 4 * (TILE_ROWS * column + lane)))


@inlined
def fill_f16(rows: int, length: int, tile: int) -> None:
    for column in range(length):
        for lane in range(TILE_ROWS):
            number = read_float(rows + 4 * (lane * length + column))
            write_half(tile + 2 * (TILE_ROWS * column + lane), number)


@inlined
def read_f16(tile: int, lane: int, length: int, out: int) -> None:
    for column in range(length):
        write_float(out + 4 * column, read_half(tile + 2 * (TILE_ROWS * column + lane)))


@inlined
def bfloat_bits(address: int) -> int:
    """Of a float32, rounded to even; NaN stays NaN. In integers, which keep the smallest too."""
    bits = read_int(address) & 0xFFFF_FFFF
    if bits & 0x7FFF_FFFF > EXPONENT:
        return (bits >> 16) | FRACTION_BIT  # type: ignore[no-any-return]
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16  # type: ignore[no-any-return]


@inlined
def fill_bf16(rows: int, length: int, tile: int) -> None:
    for column in range(length):
        for lane in range(TILE_ROWS):
            bits = bfloat_bits(rows + 4 * (lane * length + column))
            pair = tile + 4 * (TILE_ROWS * (column // 2) + lane)
            write_short(pair + 2 * (column % 2), bits)


@inlined
def read_bf16(tile: int, lane: int, length: int, out: int) -> None:
    for column in range(length):
        pair = tile + 4 * (TILE_ROWS * (column // 2) + lane)
        write_float(out + 4 * column, read_bfloat(pair + 2 * (column % 2)))


@inlined
def fill_q8_0(rows: int, length: int, tile: int) -> None:
    for block in range(length // BLOCK):
        to = tile + BLOCK_BYTES * block
        for lane in range(TILE_ROWS):
            numbers = rows + 4 * (lane * length + BLOCK * block)
            highest = np.float32(0)
            for column in range(BLOCK):
                highest = max(highest, abs(read_float(numbers + 4 * column)))
            scale = highest / np.float32(HIGHEST)
            write_half(to + SCALES_AT + 2 * lane, scale)
            inverse = np.float32(1) / scale if scale > 0 else np.float32(0)
            for column in range(BLOCK):
                scaled = read_float(numbers + 4 * column) * inverse
                half = np.float32(0.5 if scaled >= 0 else -0.5)
                number = int(scaled + half)
                four = to + 64 * (column // 4)
                write_byte(four + 4 * lane + column % 4, number + 128)


@inlined
def read_q8_0(tile: int, lane: int, length: int, out: int) -> None:
    for block in range(length // BLOCK):
        numbers = tile + BLOCK_BYTES * block
        scale = read_half(numbers + SCALES_AT + 2 * lane)
        for column in range(BLOCK):
            four = numbers + 64 * (column // 4)
            number = read_byte(four + 4 * lane + column % 4) - 128
            write_float(out + 4 * (BLOCK * block + column), number * scale)


def _bf16_product(instructions: InstructionSet) -> Microkernel:
    if instructions.has_bf16_dot:
        return bf16_pair_product(instructions)
    return bf16_product(instructions)


def _of_blocks(
    name: FormatName, blocks: BlockSource, read_row: ReadRow, code: BlockCode
) -> WeightFormat:
    return WeightFormat(
        name,
        TILE_BYTES[name],
        None,
        read_row,
        lambda instructions: block_product(code, instructions),
        lambda _: "int8",
        blocks,
    )


FORMATS: Mapping[FormatName, WeightFormat] = MappingProxyType(
    {
        "f32": WeightFormat("f32", 2048, fill_f32, read_f32, f32_product, lambda _: "float32"),
        "f16": WeightFormat("f16", 1024, fill_f16, read_f16, f16_product, lambda _: "float32"),
        "bf16": WeightFormat(
            "bf16",
            1024,
            fill_bf16,
            read_bf16,
            _bf16_product,
            lambda instructions: "bfloat16" if instructions.has_bf16_dot else "float32",
        ),
        "q8_0": WeightFormat(
            "q8_0",
            BLOCK_BYTES,
            fill_q8_0,
            read_q8_0,
            q8_0_product,
            lambda _: "int8",
            BlockSource("Q8_0", fill_q8_0_blocks),
        ),
        "q4_0": _of_blocks("q4_0", BlockSource("Q4_0", fill_q4_0), read_q4_0, q4_0_code()),
        "q4_k": _of_blocks("q4_k", BlockSource("Q4_K", fill_q4_k), read_q4_k, q4_k_code()),
        "q5_k": _of_blocks("q5_k", BlockSource("Q5_K", fill_q5_k), read_q5_k, q5_k_code()),
        "q6_k": _of_blocks("q6_k", BlockSource("Q6_K", fill_q6_k), read_q6_k, q6_k_code()),
    }
)
