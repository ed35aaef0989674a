"""Products of float32, float16 and bfloat16 weights with float32 activations.

    tile, float32, float16:  [columns][16]
    tile, bfloat16:          [columns / 2][16][2]

Narrow weights are widened in registers, which is exact. Knows no task.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from forge_worker.cpu.native.host import InstructionSet
from forge_worker.cpu.native.microkernel import (
    Microkernel,
    Operands,
    PrefetchLevel,
    emit_prefetches,
)
from forge_worker.cpu.native.vector_ir import (
    FLOAT,
    FLOATS,
    HALVES,
    INTS,
    LONG,
    Emitter,
    Value,
    splat_constant,
)

TURN_LINES = 4  # cache lines of a tile
UPPER_HALF = -0x10000
Columns = list[Value]  # of a tile, float32 [16] each
LoadColumns = Callable[[Emitter, Value], Columns]  # those of one cache line, at this address


def f32_product(instructions: InstructionSet) -> Microkernel:
    return _microkernel(instructions, lambda e, line: [e.load(line, FLOATS, 64)], 1)


def f16_product(instructions: InstructionSet) -> Microkernel:
    return _microkernel(instructions, _halves, 2)


def bf16_product(instructions: InstructionSet) -> Microkernel:
    """Where there are no instructions for bfloat16."""
    return _microkernel(instructions, _bfloats, 2)


def _halves(e: Emitter, line: Value) -> Columns:
    return [e.builder.fpext(e.load(e.at(line, at), HALVES, 32), FLOATS) for at in (0, 32)]


def _bfloats(e: Emitter, line: Value) -> Columns:
    pairs = e.load(line, INTS, 64)
    even = e.builder.shl(pairs, splat_constant(INTS, 16))
    odd = e.builder.and_(pairs, splat_constant(INTS, UPPER_HALF))
    return [e.builder.bitcast(bits, FLOATS) for bits in (even, odd)]


def _microkernel(
    instructions: InstructionSet, load: LoadColumns, columns_per_line: int
) -> Microkernel:
    turn_columns = TURN_LINES * columns_per_line

    def emit(e: Emitter, operands: Operands, num_columns: int, num_prefetches: int) -> None:
        for tiles in tile_groups(instructions, operands):
            sums = [
                [e.variable(splat_constant(FLOATS, 0)) for _ in tiles] for _ in range(num_columns)
            ]
            turns = e.builder.udiv(operands.length, ir.Constant(LONG, turn_columns))
            with e.counting(turns) as turn:
                emit_prefetches(e, operands, turn, num_prefetches)
                _add_turn(e, operands, turn, tiles, sums)
            store_sums(e, operands, tiles, sums)

    def _add_turn(
        e: Emitter, operands: Operands, turn: Value, tiles: list[int], sums: list[list[Value]]
    ) -> None:
        totals = load_sums(e, sums)
        for line in range(TURN_LINES):
            at = e.times(turn, 64 * TURN_LINES)
            lines = [e.at(operands.tiles[tile], at, 64 * line) for tile in tiles]
            weights = [load(e, address) for address in lines]
            for step in range(columns_per_line):
                place = e.at(e.times(turn, 4 * turn_columns), 4 * (line * columns_per_line + step))
                for column, of_column in enumerate(totals):
                    row = e.at(operands.activations, e.times(operands.length, 4 * column), place)
                    x = e.splat(e.load(row, FLOAT, 4))
                    for tile, columns in enumerate(weights):
                        of_column[tile] = e.fma(columns[step], x, of_column[tile])
        keep_sums(e, sums, totals)

    return Microkernel(emit, group_sizes(instructions), turn_columns, prefetch_levels(TURN_LINES))


def group_sizes(instructions: InstructionSet) -> tuple[int, ...]:
    """As many sums as leave registers for the operands."""
    return (1, 2, 3, 4, 6, 8, 10, 12) if instructions.num_registers == 32 else (1, 2, 3, 4, 5, 6)


def prefetch_levels(turn_lines: int) -> tuple[PrefetchLevel, ...]:
    """All of the next pair within the groups, however many there are."""
    return tuple(PrefetchLevel(groups, -(-turn_lines // groups)) for groups in (1, 2, 4))


def tile_groups(instructions: InstructionSet, operands: Operands) -> list[list[int]]:
    """Which tiles are gone through together."""
    return [[0, 1]] if instructions.num_registers == 32 else [[0], [1]]


def load_sums(e: Emitter, sums: list[list[Value]]) -> list[list[Value]]:
    return [[e.builder.load(total) for total in of_column] for of_column in sums]


def keep_sums(e: Emitter, sums: list[list[Value]], totals: list[list[Value]]) -> None:
    for places, values in zip(sums, totals, strict=True):
        for place, value in zip(places, values, strict=True):
            e.builder.store(value, place)


def store_sums(e: Emitter, operands: Operands, tiles: list[int], sums: list[list[Value]]) -> None:
    for column, of_column in enumerate(sums):
        for tile, total in zip(tiles, of_column, strict=True):
            place = e.at(operands.outputs, 128 * column + 64 * tile)
            e.store(e.builder.load(total), place, 64)
