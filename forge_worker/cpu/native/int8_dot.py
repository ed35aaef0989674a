"""Dot products of bytes by fours, [16][4] unsigned · [4] signed -> int32 [16], as a processor can.

One way for each family of instructions; all are exact, so that they agree to the bit. Knows no
format of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import llvmlite.binding
from llvmlite import ir

from forge_worker.cpu.native.host import Int8Dot
from forge_worker.cpu.native.vector_ir import (
    BYTE,
    INT,
    INTS,
    LANES,
    LONG,
    SHORT,
    Emitter,
    Value,
    splat_constant,
)

BYTE_OPERANDS_SINCE = 22  # LLVM's version; before, the instruction's four bytes were one int32
HALF_LANES = LANES // 2
PAIR_SUMS = ir.VectorType(INT, 2 * LANES)
Sums = list[Value]  # in whatever pieces the instructions leave


class DotSteps(NamedTuple):
    begin: Callable[[Emitter, Value], Sums]  # from int32, the same in all lanes
    operand: Callable[[Emitter, Value], Value]  # four signed bytes at an address, for all lanes
    add: Callable[[Emitter, Sums, Value, Value], Sums]  # unsigned bytes [16][4], operand
    finish: Callable[[Emitter, Sums], Value]  # int32 [16]


def _begin_one(e: Emitter, initial: Value) -> Sums:
    return [e.splat(initial)]


def _four_bytes(e: Emitter, address: Value) -> Value:
    return e.splat(e.load(address, INT, 4))


def _add_512(e: Emitter, sums: Sums, weights: Value, operand: Value) -> Sums:
    return [_byte_products(e, "512", sums[0], weights, operand)]


def _begin_halves(e: Emitter, initial: Value) -> Sums:
    return [e.splat(initial, HALF_LANES)] * 2


def _four_bytes_by_half(e: Emitter, address: Value) -> Value:
    return e.splat(e.load(address, INT, 4), HALF_LANES)


def _add_256(e: Emitter, sums: Sums, weights: Value, operand: Value) -> Sums:
    halves = (part(e, weights, 32 * half, 32) for half in range(2))
    return [
        _byte_products(e, "256", total, half, operand)
        for total, half in zip(sums, halves, strict=True)
    ]


def _join_halves(e: Emitter, sums: Sums) -> Value:
    return e.builder.shuffle_vector(*sums, ir.Constant(INTS, list(range(LANES))))


def _byte_products(e: Emitter, width: str, sums: Value, weights: Value, operand: Value) -> Value:
    kind = sums.type
    if llvmlite.binding.llvm_version_info[0] >= BYTE_OPERANDS_SINCE:
        kind = ir.VectorType(BYTE, 4 * sums.type.count)
    operands = [sums, e.builder.bitcast(weights, kind), e.builder.bitcast(operand, kind)]
    return e.call(f"llvm.x86.avx512.vpdpbusd.{width}", sums.type, operands)


def _begin_pairs(e: Emitter, initial: Value) -> Sums:
    """Two sums a lane: the first begins with `initial`, the second with 0."""
    firsts = [e.splat(initial), splat_constant(INTS, 0)]
    order = [lane // 2 + LANES * (lane % 2) for lane in range(LANES)]
    return [e.builder.shuffle_vector(*firsts, ir.Constant(INTS, order))] * 2


def _four_shorts(e: Emitter, address: Value) -> Value:
    shorts = e.builder.sext(e.load(address, ir.VectorType(BYTE, 4), 4), ir.VectorType(SHORT, 4))
    return e.builder.bitcast(
        e.splat(e.builder.bitcast(shorts, LONG), HALF_LANES), ir.VectorType(SHORT, 2 * LANES)
    )


def _add_widened(e: Emitter, sums: Sums, weights: Value, operand: Value) -> Sums:
    """LLVM knows sums of neighbouring products of int16 as one instruction."""
    added = []
    for half, total in enumerate(sums):
        shorts = e.builder.zext(part(e, weights, 32 * half, 32), ir.VectorType(SHORT, 32))
        wide = (e.builder.sext(factor, PAIR_SUMS) for factor in (shorts, operand))
        added.append(e.builder.add(total, sums_of_pairs(e, e.builder.mul(*wide))))
    return added


def _sum_pairs(e: Emitter, sums: Sums) -> Value:
    joined = e.builder.shuffle_vector(*sums, ir.Constant(PAIR_SUMS, list(range(2 * LANES))))
    return sums_of_pairs(e, joined)


def sums_of_pairs(e: Emitter, numbers: Value) -> Value:
    """int32 [32] -> [16]"""
    first, second = (
        e.builder.shuffle_vector(
            numbers, numbers, ir.Constant(INTS, [2 * lane + odd for lane in range(LANES)])
        )
        for odd in range(2)
    )
    return e.builder.add(first, second)


def part(e: Emitter, vector: Value, first: int, count: int) -> Value:
    lanes = ir.Constant(ir.VectorType(INT, count), list(range(first, first + count)))
    return e.builder.shuffle_vector(vector, vector, lanes)


DOTS: Mapping[Int8Dot, DotSteps] = MappingProxyType(
    {
        "vnni-512": DotSteps(_begin_one, _four_bytes, _add_512, lambda e, sums: sums[0]),
        "vnni-256": DotSteps(_begin_halves, _four_bytes_by_half, _add_256, _join_halves),
        "widened": DotSteps(_begin_pairs, _four_shorts, _add_widened, _sum_pairs),
    }
)
