"""Products of bfloat16 weights with activations rounded to bfloat16, in pairs, summed in float32.

    tile [columns / 2][16][2]

Only where the processor has the instruction; elsewhere gemm_float.py widens. Knows no task.
"""

from __future__ import annotations

from llvmlite import ir

from forge_worker.cpu.native.gemm_float import (
    TURN_LINES,
    group_sizes,
    keep_sums,
    load_sums,
    prefetch_levels,
    store_sums,
    tile_groups,
)
from forge_worker.cpu.native.host import InstructionSet
from forge_worker.cpu.native.microkernel import Microkernel, Operands, emit_prefetches
from forge_worker.cpu.native.vector_ir import (
    BFLOAT_PAIRS,
    FLOATS,
    INT,
    INTS,
    LONG,
    Emitter,
    Value,
    splat_constant,
)

TURN_COLUMNS = 2 * TURN_LINES
INSTRUCTION = "llvm.x86.avx512bf16.dpbf16ps.512"


def bf16_pair_product(instructions: InstructionSet) -> Microkernel:
    def emit(e: Emitter, operands: Operands, num_columns: int, num_prefetches: int) -> None:
        for tiles in tile_groups(instructions, operands):
            sums = [
                [e.variable(splat_constant(FLOATS, 0)) for _ in tiles] for _ in range(num_columns)
            ]
            with e.counting(
                e.builder.udiv(operands.length, ir.Constant(LONG, TURN_COLUMNS))
            ) as turn:
                emit_prefetches(e, operands, turn, num_prefetches)
                _add_turn(e, operands, turn, tiles, sums)
            store_sums(e, operands, tiles, sums)

    return Microkernel(emit, group_sizes(instructions), TURN_COLUMNS, prefetch_levels(TURN_LINES))


def _add_turn(
    e: Emitter, operands: Operands, turn: Value, tiles: list[int], sums: list[list[Value]]
) -> None:
    totals = load_sums(e, sums)
    for line in range(TURN_LINES):
        at = e.times(turn, 64 * TURN_LINES)
        lines = [e.at(operands.tiles[tile], at, 64 * line) for tile in tiles]
        weights = [e.builder.bitcast(e.load(address, INTS, 64), BFLOAT_PAIRS) for address in lines]
        place = e.at(e.times(turn, 2 * TURN_COLUMNS), 4 * line)
        for column, of_column in enumerate(totals):
            row = e.at(operands.activations, e.times(operands.length, 2 * column), place)
            x = e.builder.bitcast(e.splat(e.load(row, INT, 4)), BFLOAT_PAIRS)
            for tile, pairs in enumerate(weights):
                factors = [of_column[tile], pairs, x]
                of_column[tile] = e.call(INSTRUCTION, FLOATS, factors)
    keep_sums(e, sums, totals)
