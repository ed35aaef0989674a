"""What a weight format brings to a product: the innermost loop, for some columns and two tiles.

    outputs [columns][2][16] = sum over k of tile[k][16] · activations[column][k]

A product takes `num_columns` activations at a time, so that each weight it loads is used often, and
meanwhile asks memory for the next pair of tiles, a few cache lines a turn. Which of a format's
variants runs is chosen by the number of activations alone; every variant adds up in the same order,
so that a result does not depend on what else is in the batch. Knows no format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from llvmlite import ir

from forge_worker.cpu.native.kernel import ADDRESS, Kernel, compile_function, emitting
from forge_worker.cpu.native.tiles import BLOCK, NUM_SUMS, BlockSums
from forge_worker.cpu.native.vector_ir import FLOAT, INT, LONG, Emitter, Value, long

LINE_BYTES = 64
AHEAD_BYTES = 12288
READ_ONCE = 0  # to the first level alone: what lies in the others is not put out for it


class Operands(NamedTuple):
    """Addresses, and the padded number of columns of the matrix."""

    tiles: tuple[Value, Value]
    activations: Value  # [columns][length], in the kind of the format
    scales: Value  # [columns][length / 32] float32, of int8 activations
    sums: Value  # [columns][BlockSums][length / 32], of int8 activations
    length: Value
    outputs: Value  # float32 [columns][2][16]
    ahead: tuple[Value, Value]  # what to prefetch of the next pair


Case = tuple[int, int]  # group size, lines to prefetch
EmitProduct = Callable[[Emitter, Operands, int, int], None]  # (.., num_columns, num_prefetches)


class PrefetchLevel(NamedTuple):
    """With so many groups of columns at least, so many lines of each tile a turn."""

    min_groups: int
    num_lines: int


class Microkernel(NamedTuple):
    emit: EmitProduct
    group_sizes: tuple[int, ...]  # numbers of columns there is a variant for, ascending
    turn_columns: int  # of the matrix, that one turn of the loop goes through
    prefetch: tuple[PrefetchLevel, ...]


def compile_variants(microkernel: Microkernel, name: str) -> Kernel:
    """(variant, tile, tile, activations, scales, sums, length, outputs, ahead, ahead), with
    variant = prefetch level (0: none) · number of group sizes + index of the group size.

    A function of its own, called by its address: a compiler that saw it in its place would work on
    it again and again. Small groups are so rare among many that they are not worth a variant that
    prefetches.
    """
    emit_variants = _emit_variants(microkernel)

    def product(
        variant: int,
        tile: int,
        second: int,
        activations: int,
        scales: int,
        sums: int,
        length: int,
        outputs: int,
        ahead: int,
        second_ahead: int,
    ) -> None:
        emit_variants(
            variant,
            tile,
            second,
            activations,
            scales,
            sums,
            length,
            outputs,
            ahead,
            second_ahead,
        )

    return compile_function(product, name, num_arguments=10)


def _emit_variants(microkernel: Microkernel) -> Callable[..., None]:
    sizes = microkernel.group_sizes
    lines = (0, *(level.num_lines for level in microkernel.prefetch))
    wanted = [
        (size, num_lines if level < 2 or 2 * size >= sizes[-1] else 0)
        for level, num_lines in enumerate(lines)
        for size in sizes
    ]

    @emitting(None, *[ADDRESS] * 10)
    def emit_variants(e: Emitter, variant: Value, *values: Value) -> None:
        operands = _operands(values)
        emits = {case: partial(microkernel.emit, e, operands, *case) for case in wanted}
        emit_switch(e, variant, wanted, emits)

    return emit_variants


@emitting(None, *[ADDRESS] * 11)
def call_product(e: Emitter, function: Value, *values: Value) -> None:
    kind = ir.FunctionType(ir.VoidType(), [LONG] * len(values))
    e.builder.call(e.pointer(function, kind), values)


def _operands(values: Sequence[Value]) -> Operands:
    tile, second, activations, scales, sums, length, outputs, ahead, second_ahead = values
    return Operands(
        (tile, second), activations, scales, sums, length, outputs, (ahead, second_ahead)
    )


def emit_switch(
    e: Emitter, number: Value, wanted: Sequence[Case], emits: Mapping[Case, Callable[[], None]]
) -> None:
    """Do what is wanted for 0, 1, ...; nothing for another number."""
    builder = e.builder
    end = builder.append_basic_block("end")
    switch = builder.switch(number, end)
    blocks = {case: builder.append_basic_block(f"case_{case[0]}_{case[1]}") for case in emits}
    for index, case in enumerate(wanted):
        switch.add_case(ir.Constant(number.type, index), blocks[case])
    for case, emit in emits.items():
        builder.position_at_end(blocks[case])
        emit()
        builder.branch(end)
    builder.position_at_end(end)


def scale_of(e: Emitter, operands: Operands, block: Value, column: int) -> Value:
    """Of a column's block."""
    row = e.at(operands.scales, e.times(_table_bytes(e, operands), column))
    return e.load(e.at(row, e.times(block, 4)), FLOAT, 4)


def sum_of(e: Emitter, operands: Operands, plane: BlockSums, block: Value, column: int) -> Value:
    """Of a column's block."""
    number = NUM_SUMS * column + plane
    row = e.at(operands.sums, e.times(_table_bytes(e, operands), number))
    kind = FLOAT if plane is BlockSums.SCALED else INT
    return e.load(e.at(row, e.times(block, 4)), kind, 4)


def _table_bytes(e: Emitter, operands: Operands) -> Value:
    return e.builder.udiv(operands.length, ir.Constant(LONG, BLOCK // 4))


def num_lines(num_bytes: int) -> int:
    return -(-num_bytes // LINE_BYTES)


def ask_ahead(e: Emitter, tile: Value, turn: Value, turn_bytes: int) -> None:
    """Of the stream of tiles itself, where it is waited for: past the end of a tile is the next,
    which a core that follows the stream by itself would begin to read too late."""
    place = e.at(tile, e.times(turn, turn_bytes), AHEAD_BYTES)
    whole, rest = divmod(turn_bytes, LINE_BYTES)
    for line in range(whole):
        e.prefetch(e.at(place, LINE_BYTES * line), READ_ONCE)
    if rest:
        at = e.builder.and_(place, long(LINE_BYTES - 1))
        with e.builder.if_then(e.builder.icmp_signed(">=", at, long(LINE_BYTES - rest))):
            e.prefetch(e.at(place, LINE_BYTES * whole), READ_ONCE)


def emit_prefetches(e: Emitter, operands: Operands, turn: Value, num_lines: int) -> None:
    for address in operands.ahead if num_lines else ():
        start = e.at(address, e.times(turn, 64 * num_lines))
        for line in range(num_lines):
            e.prefetch(e.at(start, 64 * line))
