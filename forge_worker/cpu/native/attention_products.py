"""The products of attention (attention_ir.py) as functions of their own, called by address.

A compiler that saw them in their places would work on them again and again. Knows no softmax and
no tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from llvmlite import ir

from forge_worker.cpu.native.attention_ir import (
    MAX_VECTORS,
    ROWS_OF_BLOCKS,
    Scores,
    Sums,
    emit_all_scores,
    emit_all_sums,
)
from forge_worker.cpu.native.kernel import ADDRESS, Kernel, compile_function, emitting
from forge_worker.cpu.native.kv_numbers import KVNumbers
from forge_worker.cpu.native.vector_ir import LONG, Emitter, Value, long


class Products(NamedTuple):
    """Functions with the fields of `Scores` and of `Sums` as their arguments."""

    scores: Kernel
    sums: Kernel


def compile_products(numbers: KVNumbers, num_registers: int, name: str) -> Products:
    """`num_registers` are those of 16 float32 each."""
    num_vectors = MAX_VECTORS if num_registers >= 32 else 1
    name = f"{name}-{num_vectors}"  # which tells them apart on disk

    @emitting(None, *[ADDRESS] * len(Scores._fields))
    def emit_scores(e: Emitter, *values: Value) -> None:
        call = Scores(*values)
        for rows in ROWS_OF_BLOCKS:
            with e.builder.if_then(e.builder.icmp_signed("==", call.rows, long(rows))):
                emit_all_scores(e, numbers, call, rows, num_vectors)

    @emitting(None, *[ADDRESS] * len(Sums._fields))
    def emit_sums(e: Emitter, *values: Value) -> None:
        call = Sums(*values)
        for rows in ROWS_OF_BLOCKS:
            with e.builder.if_then(e.builder.icmp_signed("==", call.rows, long(rows))):
                emit_all_sums(e, numbers, call, rows, num_vectors)

    def scores(
        rows: int,
        groups: int,
        queries: int,
        keys: int,
        offsets: int,
        ahead: int,
        scores: int,
        head_dim: int,
    ) -> None:
        emit_scores(rows, groups, queries, keys, offsets, ahead, scores, head_dim)

    def sums(
        rows: int,
        first_group: int,
        end_group: int,
        first_lane: int,
        end_lane: int,
        weights: int,
        values: int,
        offsets: int,
        ahead: int,
        sums: int,
        head_dim: int,
    ) -> None:
        emit_sums(
            rows,
            first_group,
            end_group,
            first_lane,
            end_lane,
            weights,
            values,
            offsets,
            ahead,
            sums,
            head_dim,
        )

    return Products(
        compile_function(scores, f"attention-scores-{name}", len(Scores._fields)),
        compile_function(sums, f"attention-sums-{name}", len(Sums._fields)),
    )


@emitting(None, ADDRESS, *[ADDRESS] * len(Scores._fields))
def call_scores(e: Emitter, function: Value, *values: Value) -> None:
    _call(e, function, values)


@emitting(None, ADDRESS, *[ADDRESS] * len(Sums._fields))
def call_sums(e: Emitter, function: Value, *values: Value) -> None:
    _call(e, function, values)


def _call(e: Emitter, function: Value, values: Sequence[Value]) -> None:
    kind = ir.FunctionType(ir.VoidType(), [LONG] * len(values))
    e.builder.call(e.pointer(function, kind), values)
