"""How tiles hold the block formats of fewer than 8 bits, and how a kernel unpacks a block of them.

    nibbles      4 lines [16][4]: the low half of line i is columns 8i .. 8i + 3, the high half the
                 four after them
    Q4_0         64 columns: [2][16] float16 scales, then 2 blocks of nibbles
    Q4_K         256 columns: 8 of nibbles, then [8][16] u8 scales, [8][16] u8 least, and the units
                 of both, [16] float16 each
    Q5_K         likewise, but each block's nibbles are followed by a line of fifth bits: bit i of a
                 byte is that of the i-th four columns
    Q6_K         256 columns: 8 of nibbles and two lines of upper bits, a line for four fours, two
                 bits each; then [8][2][16] i8 scales and their unit, [16] float32

A tile has 16 rows; what a number means is ggml's (forge_worker/quantization). Knows no product.
"""

from __future__ import annotations

from collections.abc import Iterator

from llvmlite import ir

from forge_worker.cpu.native.gemm_blocks import BlockCode, TileBlock
from forge_worker.cpu.native.tiles import TILE_ROWS, BlockSums
from forge_worker.cpu.native.vector_ir import (
    BYTE,
    BYTES,
    FLOATS,
    HALVES,
    INTS,
    LONG,
    Emitter,
    Value,
    splat_constant,
)

LINE = 64
NIBBLES = 4 * LINE  # bytes of a block
SUPER_BLOCKS = 8  # blocks that share units
HALF_BYTES = 2 * TILE_ROWS
LOW_HALVES, FIFTH_BITS, UPPER_BITS = 0x0F0F0F0F, 0x10101010, 0x30303030
ROW_BYTES = ir.VectorType(BYTE, TILE_ROWS)

Q4_0_BYTES = LINE + 2 * NIBBLES
Q5_BLOCK, Q6_BLOCK = NIBBLES + LINE, NIBBLES + 2 * LINE
Q4_K_BYTES = SUPER_BLOCKS * (NIBBLES + 2 * TILE_ROWS) + 2 * HALF_BYTES
Q5_K_BYTES = Q4_K_BYTES + SUPER_BLOCKS * LINE
Q6_K_BYTES = SUPER_BLOCKS * (Q6_BLOCK + 2 * TILE_ROWS) + LINE


def q4_0_code() -> BlockCode:
    def lines(e: Emitter, at: TileBlock) -> Iterator[list[Value]]:
        within = e.builder.and_(at.block, ir.Constant(LONG, 1))
        return _nibbles(e, e.at(_pair(e, at), LINE, e.times(within, NIBBLES)))

    def scale(e: Emitter, at: TileBlock, index: int) -> Value:
        within = e.builder.and_(at.block, ir.Constant(LONG, 1))
        return _halves(e, e.at(_pair(e, at), e.times(within, HALF_BYTES)))

    return BlockCode(lines, (BlockSums.OF_NIBBLES,), scale, lambda e, at: None, Q4_0_BYTES // 2)


def q4_k_code() -> BlockCode:
    def lines(e: Emitter, at: TileBlock) -> Iterator[list[Value]]:
        return _nibbles(e, _block(e, at, Q4_K_BYTES, NIBBLES))

    return _affine_code(lines, NIBBLES)


def q5_k_code() -> BlockCode:
    def lines(e: Emitter, at: TileBlock) -> Iterator[list[Value]]:
        block = _block(e, at, Q5_K_BYTES, Q5_BLOCK)
        fifth = e.load(e.at(block, NIBBLES), INTS, LINE)
        for index, pair in enumerate(_nibbles(e, block)):
            yield [
                _with(e, low, fifth, 4 - (2 * index + odd), FIFTH_BITS)
                for odd, low in enumerate(pair)
            ]

    return _affine_code(lines, Q5_BLOCK)


def q6_k_code() -> BlockCode:
    def lines(e: Emitter, at: TileBlock) -> Iterator[list[Value]]:
        block = _block(e, at, Q6_K_BYTES, Q6_BLOCK)
        for index, pair in enumerate(_nibbles(e, block)):
            upper = e.load(e.at(block, NIBBLES + index // 2 * LINE), INTS, LINE)
            yield [
                _with(e, low, upper, 4 - 2 * (2 * (index % 2) + odd), UPPER_BITS)
                for odd, low in enumerate(pair)
            ]

    def scale(e: Emitter, at: TileBlock, index: int) -> Value:
        first = _super_block(e, at, Q6_K_BYTES)
        unit = e.load(e.at(first, Q6_K_BYTES - LINE), FLOATS, LINE)
        place = e.at(first, SUPER_BLOCKS * Q6_BLOCK + TILE_ROWS * index)
        scales = e.load(e.at(place, e.times(_index(e, at), 2 * TILE_ROWS)), ROW_BYTES, TILE_ROWS)
        return e.builder.fmul(e.builder.sitofp(e.builder.sext(scales, INTS), FLOATS), unit)

    zeros = (BlockSums.FIRST_HALF, BlockSums.SECOND_HALF)
    return BlockCode(lines, zeros, scale, lambda e, at: None, Q6_K_BYTES // SUPER_BLOCKS, 4)


def _affine_code(lines: object, block_bytes: int) -> BlockCode:
    """Of Q4_K and Q5_K, whose scales lie alike behind their numbers."""
    numbers = SUPER_BLOCKS * block_bytes
    plane = SUPER_BLOCKS * TILE_ROWS
    super_bytes = numbers + 2 * plane + 2 * HALF_BYTES

    def value(e: Emitter, at: TileBlock, which: int) -> Value:
        first = e.at(_super_block(e, at, super_bytes), numbers)
        unit = _halves(e, e.at(first, 2 * plane + HALF_BYTES * which))
        place = e.at(first, plane * which, e.times(_index(e, at), TILE_ROWS))
        steps = e.builder.zext(e.load(place, ROW_BYTES, TILE_ROWS), INTS)
        return e.builder.fmul(e.builder.sitofp(steps, FLOATS), unit)

    return BlockCode(
        lines,  # type: ignore[arg-type]
        (None,),
        lambda e, at, index: value(e, at, 0),
        lambda e, at: value(e, at, 1),
        super_bytes // SUPER_BLOCKS,
    )


def _pair(e: Emitter, at: TileBlock) -> Value:
    return e.at(at.tile, e.times(e.builder.lshr(at.block, ir.Constant(LONG, 1)), Q4_0_BYTES))


def _super_block(e: Emitter, at: TileBlock, super_bytes: int) -> Value:
    return e.at(at.tile, e.times(e.builder.lshr(at.block, ir.Constant(LONG, 3)), super_bytes))


def _index(e: Emitter, at: TileBlock) -> Value:
    """Of a block among those that share units."""
    return e.builder.and_(at.block, ir.Constant(LONG, SUPER_BLOCKS - 1))


def _block(e: Emitter, at: TileBlock, super_bytes: int, block_bytes: int) -> Value:
    return e.at(_super_block(e, at, super_bytes), e.times(_index(e, at), block_bytes))


def _nibbles(e: Emitter, block: Value) -> Iterator[list[Value]]:
    mask = splat_constant(INTS, LOW_HALVES)
    for index in range(4):
        line = e.load(e.at(block, LINE * index), INTS, LINE)
        high = e.builder.lshr(line, splat_constant(INTS, 4))
        halves = (e.builder.and_(half, mask) for half in (line, high))
        yield [e.builder.bitcast(half, BYTES) for half in halves]


def _with(e: Emitter, low: Value, upper: Value, shift: int, mask: int) -> Value:
    """`low`, and above it the bits that `mask` takes of `upper` shifted to the left."""
    count = splat_constant(INTS, abs(shift))
    moved = e.builder.shl(upper, count) if shift >= 0 else e.builder.lshr(upper, count)
    bits = e.builder.and_(moved, splat_constant(INTS, mask))
    return e.builder.bitcast(e.builder.or_(e.builder.bitcast(low, INTS), bits), BYTES)


def _halves(e: Emitter, address: Value) -> Value:
    return e.builder.fpext(e.load(address, HALVES, HALF_BYTES), FLOATS)
