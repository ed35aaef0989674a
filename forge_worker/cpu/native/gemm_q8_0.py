"""Products of Q8_0 weights, 32 to a scale, with activations quantised alike.

    tile    [columns / 32] blocks: [8][16][4] bytes, weight + 128 │ [16] float16 scales
    block   sum (weight + 128) · activation - 128 · sum activation, exact in int32

The instruction multiplies unsigned by signed bytes, so weights are stored with 128 added; what that
adds to a block's sum, 128 · the sum of the activations, is taken off where its sum begins. Blocks
are summed in float32. The format is ggml's Q8_0, laid out otherwise. Knows no task.
"""

from __future__ import annotations

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
    scale_of,
    sum_of,
)
from forge_worker.cpu.native.tiles import BLOCK, TILE_ROWS, BlockSums
from forge_worker.cpu.native.vector_ir import (
    BYTES,
    FLOATS,
    HALVES,
    LONG,
    Emitter,
    Value,
    splat_constant,
)

SCALES_AT = BLOCK * TILE_ROWS  # in a block
BLOCK_BYTES = SCALES_AT + 2 * TILE_ROWS
FOURS = BLOCK // 4
PREFETCH = (PrefetchLevel(1, 9), PrefetchLevel(2, 5), PrefetchLevel(3, 3), PrefetchLevel(5, 2))
SEQUENTIAL = [[0], [1]]  # few columns wait for memory, which likes one stream better than two
Table = list[list[Value]]  # [columns][tiles]


def q8_0_product(instructions: InstructionSet) -> Microkernel:
    dot = DOTS[instructions.int8_dot]

    def emit(e: Emitter, operands: Operands, num_columns: int, num_prefetches: int) -> None:
        num_blocks = e.builder.udiv(operands.length, ir.Constant(LONG, BLOCK))
        zero = splat_constant(FLOATS, 0)
        for tiles in SEQUENTIAL if num_columns <= 2 else tile_groups(instructions, operands):
            sums = [[e.variable(zero) for _ in tiles] for _ in range(num_columns)]
            with e.counting(num_blocks) as block:
                if num_columns <= 2:
                    ask_ahead(e, operands.tiles[tiles[0]], block, BLOCK_BYTES)
                emit_prefetches(e, operands, block, num_prefetches)
                whole = _block_sums(e, operands, block, tiles, num_columns, dot)
                _add_scaled(e, operands, block, tiles, whole, sums)
            store_sums(e, operands, tiles, sums)

    sizes = (1, 2, 3, 4, 5, 6) if instructions.num_registers == 32 else (1, 2, 3)
    return Microkernel(emit, sizes, BLOCK, PREFETCH)


def _block_sums(
    e: Emitter, operands: Operands, block: Value, tiles: list[int], num_columns: int, dot: DotSteps
) -> Table:
    """int32 [16] each."""
    begun = [
        dot.begin(e, sum_of(e, operands, BlockSums.OF_BYTES, block, column))
        for column in range(num_columns)
    ]
    totals = [[total for _ in tiles] for total in begun]
    at = e.times(block, BLOCK_BYTES)
    for four in range(FOURS):
        lines = [e.at(operands.tiles[tile], at, 64 * four) for tile in tiles]
        weights = [e.load(line, BYTES, 32) for line in lines]
        for column, of_column in enumerate(totals):
            row = e.at(operands.activations, e.times(operands.length, column))
            x = dot.operand(e, e.at(row, e.times(block, BLOCK), 4 * four))
            for place, bytes_ in enumerate(weights):
                of_column[place] = dot.add(e, of_column[place], bytes_, x)
    return [[dot.finish(e, total) for total in of_column] for of_column in totals]


def _add_scaled(
    e: Emitter, operands: Operands, block: Value, tiles: list[int], whole: Table, sums: Table
) -> None:
    first = e.at(e.times(block, BLOCK_BYTES), SCALES_AT)
    halves = [e.load(e.at(operands.tiles[tile], first), HALVES, 32) for tile in tiles]
    scales = [e.builder.fpext(half, FLOATS) for half in halves]
    for column, (of_column, totals) in enumerate(zip(whole, sums, strict=True)):
        x = e.splat(scale_of(e, operands, block, column))
        for number, scale, total in zip(of_column, scales, totals, strict=True):
            factor = e.builder.fmul(scale, x)
            added = e.fma(e.builder.sitofp(number, FLOATS), factor, e.builder.load(total))
            e.builder.store(added, total)
