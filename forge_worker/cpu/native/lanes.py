"""Vectors of 16 float32 as values in kernels: `total = fma(x, x, total)` in plain Python loops.

`FLOATS16` is a type of numba's for them; the functions here are all that may be done with one.
Where registers are narrower than 16 lanes LLVM uses several. Sums over lanes are made in a fixed
tree, so that they are rounded alike everywhere. Knows no kernel.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import register_default
from numba.core.datamodel.models import PrimitiveModel

from forge_worker.cpu.native.kernel import ADDRESS, emitting, inlined
from forge_worker.cpu.native.vector_ir import (
    FLOATS,
    HALVES,
    INT,
    INTS,
    LANES,
    SHORT,
    SHORTS,
    Emitter,
    Value,
    splat_constant,
)

LOWEST_EXPONENT = -87.0  # exp of it is about the smallest normal float32
HIGHEST_EXPONENT = 88.0
LOG2_E = 1.44269504
LN2_HIGH, LN2_LOW = 0.693145752, 1.42860677e-6  # ln 2 in two parts, so that x - n·ln 2 is exact
ROUNDER = 12582912.0  # 1.5 · 2**23: what is added to it is rounded to an integer in its lowest bits
EXP_POLYNOMIAL = (0.49999993, 0.1666652, 0.04166839, 0.00836878, 0.00138145)  # off by 3e-9 at most


Type: Any = types.Type
Model: Any = PrimitiveModel


class Floats16(Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="Floats16")


@register_default(Floats16)
class Floats16Model(Model):  # type: ignore[misc]
    def __init__(self, manager: object, kind: Floats16) -> None:
        super().__init__(manager, kind, FLOATS)


FLOATS16 = Floats16()


@emitting(FLOATS16, ADDRESS)
def load16(e: Emitter, address: Value) -> Value:
    return e.load(address, FLOATS, 4)


@emitting(FLOATS16, ADDRESS)
def load16_bfloats(e: Emitter, address: Value) -> Value:
    return e.widen_bfloats(e.load(address, SHORTS, 2))


@emitting(FLOATS16, ADDRESS)
def load16_halves(e: Emitter, address: Value) -> Value:
    return e.builder.fpext(e.load(address, HALVES, 2), FLOATS)


@emitting(None, ADDRESS, FLOATS16)
def store16(e: Emitter, address: Value, values: Value) -> None:
    e.store(values, address, 4)


@emitting(None, ADDRESS, FLOATS16)
def store16_bfloats(e: Emitter, address: Value, values: Value) -> None:
    """Rounded to nearest, ties to even; NaN stays NaN."""
    e.store(round_to_bfloats(e, values), address, 2)


@emitting(None, ADDRESS, FLOATS16)
def store16_halves(e: Emitter, address: Value, values: Value) -> None:
    e.store(e.builder.fptrunc(values, HALVES), address, 2)


@emitting(FLOATS16, types.float32)
def splat16(e: Emitter, value: Value) -> Value:
    return e.splat(value)


@emitting(FLOATS16, FLOATS16, FLOATS16)
def add16(e: Emitter, a: Value, b: Value) -> Value:
    return e.builder.fadd(a, b)


@emitting(FLOATS16, FLOATS16, FLOATS16)
def sub16(e: Emitter, a: Value, b: Value) -> Value:
    return e.builder.fsub(a, b)


@emitting(FLOATS16, FLOATS16, FLOATS16)
def mul16(e: Emitter, a: Value, b: Value) -> Value:
    return e.builder.fmul(a, b)


@emitting(FLOATS16, FLOATS16, FLOATS16)
def div16(e: Emitter, a: Value, b: Value) -> Value:
    return e.builder.fdiv(a, b)


@emitting(FLOATS16, FLOATS16, FLOATS16, FLOATS16)
def fma16(e: Emitter, a: Value, b: Value, c: Value) -> Value:
    """a · b + c, rounded once."""
    return e.fma(a, b, c)


@emitting(FLOATS16, FLOATS16, FLOATS16)
def max16(e: Emitter, a: Value, b: Value) -> Value:
    """NaN where either is."""
    return maximum(e, a, b)


@emitting(FLOATS16, FLOATS16)
def abs16(e: Emitter, a: Value) -> Value:
    return e.call("llvm.fabs.v16f32", FLOATS, [a])


@emitting(FLOATS16, FLOATS16)
def exp16(e: Emitter, x: Value) -> Value:
    """Within two units of the last place; 0 below -87, and NaN of NaN."""
    return exponential(e, x)


@emitting(FLOATS16, FLOATS16, ADDRESS, types.float32)
def keep16(e: Emitter, values: Value, count: Value, other: Value) -> Value:
    """The first `count` lanes (any number, below 0 too), and `other` in the rest."""
    short = e.builder.select(
        e.builder.icmp_signed("<", count, ir.Constant(count.type, LANES)),
        count,
        ir.Constant(count.type, LANES),
    )
    limit = e.splat(e.builder.trunc(short, ir.IntType(32)))
    lanes = ir.Constant(INTS, list(range(LANES)))
    return e.builder.select(e.builder.icmp_signed("<", lanes, limit), values, e.splat(other))


@emitting(types.float32, FLOATS16)
def first_of16(e: Emitter, values: Value) -> Value:
    return e.builder.extract_element(values, ir.Constant(ir.IntType(32), 0))


@emitting(types.float32, FLOATS16)
def sum16(e: Emitter, values: Value) -> Value:
    return fold(e, values, e.builder.fadd)


@emitting(types.float32, FLOATS16)
def highest16(e: Emitter, values: Value) -> Value:
    """NaN where any lane is."""
    return fold(e, values, lambda a, b: maximum(e, a, b))


@inlined
def zeros16() -> object:
    return splat16(0.0)


def fold(e: Emitter, values: Value, combine: object) -> Value:
    """Lane 0 of halves combined with halves, four times."""
    for distance in (8, 4, 2, 1):
        order = [(lane + distance) % LANES for lane in range(LANES)]
        other = e.builder.shuffle_vector(values, values, ir.Constant(INTS, order))
        values = combine(values, other)  # type: ignore[operator]
    return e.builder.extract_element(values, ir.Constant(ir.IntType(32), 0))


def maximum(e: Emitter, a: Value, b: Value) -> Value:
    higher = e.builder.select(e.builder.fcmp_ordered(">", a, b), a, b)
    return e.builder.select(e.builder.fcmp_unordered("uno", a, a), a, higher)


def round_to_bfloats(e: Emitter, values: Value) -> Value:
    """Any number of lanes, by integers: only some processors have an instruction for it, and on
    others LLVM would call a library that is not there."""
    b, lanes = e.builder, values.type.count
    kind = ir.VectorType(INT, lanes)
    bits = b.bitcast(values, kind)
    upper = b.lshr(bits, splat_constant(kind, 16))
    is_odd = b.and_(upper, splat_constant(kind, 1))
    half = b.add(bits, b.add(is_odd, splat_constant(kind, 0x7FFF)))
    quiet = b.or_(upper, splat_constant(kind, 0x40))
    is_nan = b.fcmp_unordered("uno", values, values)
    rounded = b.select(is_nan, quiet, b.lshr(half, splat_constant(kind, 16)))
    return b.trunc(rounded, ir.VectorType(SHORT, lanes))


def exponential(e: Emitter, x: Value) -> Value:
    """2ⁿ · e^r with n whole and |r| <= ln 2 / 2, and e^r = 1 + r + r² · a polynomial."""
    b = e.builder
    is_low = b.fcmp_ordered("<", x, splat_constant(FLOATS, LOWEST_EXPONENT))
    highest, rounder = (splat_constant(FLOATS, value) for value in (HIGHEST_EXPONENT, ROUNDER))
    x = b.select(b.fcmp_ordered(">", x, highest), highest, x)
    shifted = e.fma(x, splat_constant(FLOATS, LOG2_E), rounder)
    whole = b.fsub(shifted, rounder)
    r = e.fma(whole, splat_constant(FLOATS, -LN2_HIGH), x)
    r = e.fma(whole, splat_constant(FLOATS, -LN2_LOW), r)
    total = splat_constant(FLOATS, EXP_POLYNOMIAL[-1])
    for coefficient in (*EXP_POLYNOMIAL[-2::-1], 1.0, 1.0):
        total = e.fma(total, r, splat_constant(FLOATS, coefficient))
    exponent = b.shl(b.bitcast(shifted, INTS), splat_constant(INTS, 23))
    power = b.bitcast(b.add(exponent, splat_constant(INTS, 127 << 23)), FLOATS)
    return b.select(is_low, splat_constant(FLOATS, 0.0), b.fmul(total, power))
