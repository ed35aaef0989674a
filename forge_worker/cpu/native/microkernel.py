"""What a weight format brings to a product: the innermost loop, for some columns and two tiles.

    outputs [columns][2][16] = sum over k of tile[k][16] · activations[column][k]

A product takes `num_columns` activations at a time, so that each weight it loads is used often, and
meanwhile asks memory for the next pair of tiles, a few cache lines a turn. Which of a format's
variants runs is chosen by the number of activations alone; every variant adds up in the same order,
so that a result does not depend on what else is in the batch. Knows no format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from llvmlite import ir

from forge_worker.cpu.native.kernel import ADDRESS, emitting
from forge_worker.cpu.native.vector_ir import Emitter, Value


class Operands(NamedTuple):
    """Addresses, and the padded number of columns of the matrix."""

    tiles: tuple[Value, Value]
    activations: Value  # [columns][length], in the kind of the format
    scales: Value  # [columns][length / 32] float32, of int8 activations
    offsets: Value  # [columns][length / 32] int32, of int8 activations
    length: Value
    outputs: Value  # float32 [columns][2][16]
    ahead: tuple[Value, Value]  # what to prefetch of the next pair


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


def compile_variants(microkernel: Microkernel) -> Callable[..., None]:
    """multiply(variant, tile, tile, activations, scales, offsets, length, outputs, ahead, ahead),
    with variant = prefetch level (0: none) · number of group sizes + index of the group size."""

    levels = (0, *(level.num_lines for level in microkernel.prefetch))

    @emitting(None, *[ADDRESS] * 10)
    def multiply(e: Emitter, variant: Value, *values: Value) -> None:
        operands = _operands(values)
        cases = [
            partial(microkernel.emit, e, operands, size, num_lines)
            for num_lines in levels
            for size in microkernel.group_sizes
        ]
        emit_switch(e, variant, cases)

    return multiply


def _operands(values: Sequence[Value]) -> Operands:
    tile, second, activations, scales, offsets, length, outputs, ahead, second_ahead = values
    return Operands(
        (tile, second), activations, scales, offsets, length, outputs, (ahead, second_ahead)
    )


def emit_switch(e: Emitter, number: Value, cases: Sequence[Callable[[], None]]) -> None:
    """Of cases 0, 1, ...; none for another number."""
    builder = e.builder
    end = builder.append_basic_block("end")
    switch = builder.switch(number, end)
    for index, emit in enumerate(cases):
        block = builder.append_basic_block(f"case{index}")
        switch.add_case(ir.Constant(number.type, index), block)
        builder.position_at_end(block)
        emit()
        builder.branch(end)
    builder.position_at_end(end)


def emit_prefetches(e: Emitter, operands: Operands, turn: Value, num_lines: int) -> None:
    for address in operands.ahead if num_lines else ():
        start = e.at(address, e.times(turn, 64 * num_lines))
        for line in range(num_lines):
            e.prefetch(e.at(start, 64 * line))
