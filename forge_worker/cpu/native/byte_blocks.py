"""A block of 32 activations as bytes: their scale, their numbers, and the sums that weights need.

Knows one block.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from forge_worker.cpu.native.kernel import ADDRESS, emitting
from forge_worker.cpu.native.tiles import BlockSums
from forge_worker.cpu.native.vector_ir import (
    BYTE,
    FLOAT,
    FLOATS,
    INT,
    INTS,
    LANES,
    Emitter,
    Value,
    splat_constant,
)

HIGHEST_NUMBER = 127.0
TINIEST = 1e-30  # 127 / less would not be finite
WITHOUT_SIGN = 0x7FFF_FFFF


@emitting(None, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS)
def quantise_block(
    e: Emitter, x: Value, out: Value, scale: Value, sums: Value, plane_bytes: Value
) -> None:
    halves = [e.load(e.at(x, at), FLOATS, 4) for at in (0, 4 * LANES)]
    highest = _largest_size(e, halves)
    inverse = e.builder.fdiv(ir.Constant(FLOAT, HIGHEST_NUMBER), highest)
    is_tiny = e.builder.fcmp_ordered("<", highest, ir.Constant(FLOAT, TINIEST))
    inverse = e.splat(e.builder.select(is_tiny, ir.Constant(FLOAT, 0), inverse))
    numbers = [_rounded(e, e.builder.fmul(half, inverse)) for half in halves]
    for half, number in enumerate(numbers):
        e.store(e.builder.trunc(number, ir.VectorType(BYTE, LANES)), e.at(out, LANES * half))
    step = e.builder.fdiv(highest, ir.Constant(FLOAT, HIGHEST_NUMBER))
    e.store(step, scale, 4)
    of_halves = [e.call("llvm.vector.reduce.add.v16i32", INT, [half]) for half in numbers]
    _store_sums(e, of_halves, step, [e.at(sums, e.times(plane_bytes, n)) for n in BlockSums])


def _store_sums(e: Emitter, of_halves: list[Value], step: Value, planes: list[Value]) -> None:
    total = e.builder.add(*of_halves)
    values = [e.builder.mul(total, ir.Constant(INT, factor)) for factor in (-128, -8)]
    values += [e.builder.mul(half, ir.Constant(INT, -32)) for half in of_halves]
    values.append(e.builder.fmul(e.builder.sitofp(e.builder.neg(total), FLOAT), step))
    for value, place in zip(values, planes, strict=True):
        e.store(value, place, 4)


def _largest_size(e: Emitter, halves: Sequence[Value]) -> Value:
    """Without their signs floats are ordered as their bits are, and NaN above all others."""
    bits = [e.builder.bitcast(half, INTS) for half in halves]
    sizes = [e.builder.and_(half, splat_constant(INTS, WITHOUT_SIGN)) for half in bits]
    larger = e.call("llvm.umax.v16i32", INTS, sizes)
    return e.builder.bitcast(e.call("llvm.vector.reduce.umax.v16i32", INT, [larger]), FLOAT)


def _rounded(e: Emitter, values: Value) -> Value:
    """To even; 0 of NaN, whose scale says that it was one."""
    zeros = splat_constant(FLOATS, 0)
    sound = e.builder.select(e.builder.fcmp_ordered("ord", values, zeros), values, zeros)
    return e.builder.fptosi(e.call("llvm.roundeven.v16f32", FLOATS, [sound]), INTS)
