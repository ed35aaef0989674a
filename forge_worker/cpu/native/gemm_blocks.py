"""Products of weights of 4 to 6 bits, in blocks of 32 columns, with activations of 8 bits.

    weight   (number - zero) · scale - least, where a block has one or two scales and maybe a least
    block    sum number · activation - zero · sum activation, exact in int32 for each scale

Numbers are unpacked to unsigned bytes in registers, a cache line at a time, for all columns of the
group at once. What a zero or a least value takes off needs only sums of activations, which are made
with the activations. Knows formats only as BlockCodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from llvmlite import ir

from forge_worker.cpu.native.gemm_float import store_sums, tile_groups
from forge_worker.cpu.native.host import InstructionSet
from forge_worker.cpu.native.int8_dot import DOTS, DotSteps
from forge_worker.cpu.native.microkernel import (
    Microkernel,
    Operands,
    PrefetchLevel,
    ask_ahead,
    emit_prefetches,
    num_lines,
    scale_of,
    sum_of,
)
from forge_worker.cpu.native.tiles import BLOCK, BlockSums
from forge_worker.cpu.native.vector_ir import (
    FLOATS,
    INT,
    LONG,
    Emitter,
    Value,
    splat_constant,
)

FOURS = BLOCK // 4
SEQUENTIAL = [[0], [1]]  # few columns wait for memory, which likes one stream better than two
MAX_WAITING_COLUMNS = 3
MAX_COLUMNS_OF_FEW_REGISTERS = 3
Table = list[list[Value]]  # [columns][tiles]


class TileBlock(NamedTuple):
    """Where 16 rows and 32 columns lie: their tile, and which block of it."""

    tile: Value
    block: Value


class BlockCode(NamedTuple):
    """What a format makes of a block."""

    lines: Callable[[Emitter, TileBlock], Iterator[list[Value]]]
    """Unsigned bytes [16][4] of columns 0..3, 4..7, ...: some at a time, all eight together."""
    zeros: tuple[BlockSums | None, ...]  # for each scale, which sums take off the zero
    scale: Callable[[Emitter, TileBlock, int], Value]  # float32 [16]
    least: Callable[[Emitter, TileBlock], Value | None]  # float32 [16]
    block_bytes: int  # of a tile, its scales and least values among them
    max_columns: int = 6  # that leave registers for everything, where there are 32


class Turn(NamedTuple):
    operands: Operands
    block: Value
    tiles: list[int]
    sums: Table  # places of float32 [16]

    def places(self) -> list[TileBlock]:
        return [TileBlock(self.operands.tiles[tile], self.block) for tile in self.tiles]


def block_product(code: BlockCode, instructions: InstructionSet) -> Microkernel:
    dot = DOTS[instructions.int8_dot]
    levels = _prefetch_levels(num_lines(code.block_bytes))

    def emit(e: Emitter, operands: Operands, num_columns: int, num_prefetches: int) -> None:
        num_blocks = e.builder.udiv(operands.length, ir.Constant(LONG, BLOCK))
        zero = splat_constant(FLOATS, 0)
        is_alone = num_prefetches in (0, levels[0].num_lines)
        is_waiting = num_columns <= MAX_WAITING_COLUMNS and is_alone
        for tiles in SEQUENTIAL if is_waiting else tile_groups(instructions, operands):
            sums = [[e.variable(zero) for _ in tiles] for _ in range(num_columns)]
            with e.counting(num_blocks) as block:
                if is_waiting:
                    ask_ahead(e, operands.tiles[tiles[0]], block, code.block_bytes)
                else:
                    emit_prefetches(e, operands, block, num_prefetches)
                _add_block(e, Turn(operands, block, tiles, sums), code, dot)
            store_sums(e, operands, tiles, sums)

    most = code.max_columns if instructions.num_registers == 32 else MAX_COLUMNS_OF_FEW_REGISTERS
    sizes = tuple(range(1, most + 1))
    return Microkernel(emit, sizes, BLOCK, levels)


def _prefetch_levels(count: int) -> tuple[PrefetchLevel, ...]:
    """All of the next pair within the groups, however many there are."""
    return tuple(PrefetchLevel(groups, -(-count // groups)) for groups in (1, 2, 3, 5))


def _add_block(e: Emitter, turn: Turn, code: BlockCode, dot: DotSteps) -> None:
    fours = _joined_lines(e, turn, code)
    per_scale = FOURS // len(code.zeros)
    for index, plane in enumerate(code.zeros):
        totals = [[begun for _ in turn.tiles] for begun in _begun(e, turn, dot, plane)]
        for four in range(per_scale * index, per_scale * (index + 1)):
            _add_products(e, turn, dot, (four, next(fours)), totals)
        scales = [code.scale(e, place, index) for place in turn.places()]
        _add_scaled(e, turn, scales, [[dot.finish(e, total) for total in row] for row in totals])
    _add_least(e, turn, [code.least(e, place) for place in turn.places()])


def _joined_lines(e: Emitter, turn: Turn, code: BlockCode) -> Iterator[tuple[Value, ...]]:
    """Of each four columns the bytes of all tiles, unpacked just before they are used."""
    for of_tiles in zip(*(code.lines(e, place) for place in turn.places()), strict=True):
        yield from zip(*of_tiles, strict=True)


def _begun(e: Emitter, turn: Turn, dot: DotSteps, plane: BlockSums | None) -> list[Value]:
    """A block's sum, of each column, before anything is added to it."""
    if plane is None:
        return [dot.begin(e, ir.Constant(INT, 0)) for _ in turn.sums]
    initial = (
        sum_of(e, turn.operands, plane, turn.block, column) for column in range(len(turn.sums))
    )
    return [dot.begin(e, number) for number in initial]


def _add_products(
    e: Emitter, turn: Turn, dot: DotSteps, four: tuple[int, tuple[Value, ...]], totals: Table
) -> None:
    index, weights = four
    operands = turn.operands
    for column, of_column in enumerate(totals):
        row = e.at(operands.activations, e.times(operands.length, column))
        x = dot.operand(e, e.at(row, e.times(turn.block, BLOCK), 4 * index))
        for place, bytes_ in enumerate(weights):
            of_column[place] = dot.add(e, of_column[place], bytes_, x)


def _add_scaled(e: Emitter, turn: Turn, scales: list[Value], whole: Table) -> None:
    for column, (of_column, totals) in enumerate(zip(whole, turn.sums, strict=True)):
        x = e.splat(scale_of(e, turn.operands, turn.block, column))
        for number, scale, total in zip(of_column, scales, totals, strict=True):
            factor = e.builder.fmul(scale, x)
            added = e.fma(e.builder.sitofp(number, FLOATS), factor, e.builder.load(total))
            e.builder.store(added, total)


def _add_least(e: Emitter, turn: Turn, least: list[Value | None]) -> None:
    if least[0] is None:
        return
    for column, totals in enumerate(turn.sums):
        x = e.splat(sum_of(e, turn.operands, BlockSums.SCALED, turn.block, column))
        for of_tile, total in zip(least, totals, strict=True):
            e.builder.store(e.fma(of_tile, x, e.builder.load(total)), total)
