"""Softmax of scores in vectors of 16: weights of a span of keys, and the joining of spans.

The weights of a span are exp(score - highest of the span). A row carries its mass (the highest
score so far, and the sum of its weights) and its sums of weighted values; each further span is
merged into both (Milakov and Gimelshein 2018). Keys that a row must not see have the score -inf
and weigh exactly 0. A score that is NaN makes the row's mass NaN, and so ends it and no other.
Every sum has one order. Addresses are bytes, of float32. Knows no keys, values or tasks.
"""

from __future__ import annotations

import math

from llvmlite import ir

from forge_worker.cpu.native.elementwise import merge_rows
from forge_worker.cpu.native.kernel import ADDRESS, emitting, inlined
from forge_worker.cpu.native.lanes import (
    FLOATS16,
    add16,
    div16,
    exp16,
    exponential,
    first_of16,
    fma16,
    fold,
    load16,
    mul16,
    splat16,
    store16,
    sub16,
    sum16,
    zeros16,
)
from forge_worker.cpu.native.memory import read_float, write_float
from forge_worker.cpu.native.vector_ir import (
    FLOATS,
    LANES,
    LONG,
    Emitter,
    Value,
    splat_constant,
)

LOWEST = -1e30  # finite, so that a row that has seen no key weighs exp(-1e30 - highest) = 0
LONGS = ir.VectorType(LONG, LANES)
VECTOR_BYTES = 4 * LANES
SUM_OF_WEIGHTS = 4  # its place in a mass


@emitting(None, ADDRESS, ADDRESS, ADDRESS)
def hide_lanes(e: Emitter, scores: Value, begin: Value, end: Value) -> None:
    """Scores [16] of lanes outside begin .. end - 1 become -inf."""
    b = e.builder
    lanes = ir.Constant(LONGS, list(range(LANES)))
    is_late = b.icmp_signed(">=", lanes, e.splat(begin))
    is_seen = b.and_(is_late, b.icmp_signed("<", lanes, e.splat(end)))
    hidden = splat_constant(FLOATS, -math.inf)
    e.store(b.select(is_seen, e.load(scores, FLOATS, 4), hidden), scores, 4)


@emitting(FLOATS16, FLOATS16, FLOATS16)
def greater16(e: Emitter, x: Value, other: Value) -> Value:
    """`other` where x is not a number."""
    return _greater(e, x, other)


@emitting(FLOATS16, FLOATS16)
def greatest16(e: Emitter, x: Value) -> Value:
    """Of all lanes, in each."""
    return e.splat(fold(e, x, lambda low, high: _greater(e, low, high)))


@emitting(FLOATS16, FLOATS16)
def tanh16(e: Emitter, x: Value) -> Value:
    """(1 - exp(-2|x|)) / (1 + exp(-2|x|)) with the sign of x, within 2e-7."""
    b, one = e.builder, splat_constant(FLOATS, 1.0)
    magnitude = e.call("llvm.fabs.v16f32", FLOATS, [x])
    decay = exponential(e, b.fmul(magnitude, splat_constant(FLOATS, -2.0)))
    ratio = b.fdiv(b.fsub(one, decay), b.fadd(one, decay))
    return e.call("llvm.copysign.v16f32", FLOATS, [ratio, x])


@inlined
def begin_mass(mass: int) -> None:
    write_float(mass, LOWEST)
    write_float(mass + SUM_OF_WEIGHTS, 0.0)


@inlined
def cap_scores(scores: int, num_groups: int, cap: float) -> None:
    """cap · tanh(score / cap)."""
    caps = splat16(cap)
    for group in range(num_groups):
        place = scores + group * VECTOR_BYTES
        store16(place, mul16(caps, tanh16(div16(load16(place), caps))))


@inlined
def weigh(scores: int, num_groups: int, mass: int) -> None:
    """Scores [num_groups, 16] become exp(score - highest); `mass` is set to theirs."""
    highest = splat16(LOWEST)
    for group in range(num_groups):
        highest = greater16(load16(scores + group * VECTOR_BYTES), highest)
    highest = greatest16(highest)
    total = zeros16()
    for group in range(num_groups):
        place = scores + group * VECTOR_BYTES
        weights = exp16(sub16(load16(place), highest))
        store16(place, weights)
        total = add16(total, weights)
    write_float(mass, first_of16(highest))
    write_float(mass + SUM_OF_WEIGHTS, sum16(total))


@inlined
def merge(sums: int, mass: int, span_sums: int, span_mass: int, head_dim: int) -> None:
    """Merge what a row attended to in a span into `sums` [head_dim] and `mass`."""
    before, added = splat16(read_float(mass)), splat16(read_float(span_mass))
    highest = greater16(added, before)
    old, new = exp16(sub16(before, highest)), exp16(sub16(added, highest))
    weights = mul16(splat16(read_float(span_mass + SUM_OF_WEIGHTS)), new)
    weights = fma16(splat16(read_float(mass + SUM_OF_WEIGHTS)), old, weights)
    write_float(mass, first_of16(highest))
    write_float(mass + SUM_OF_WEIGHTS, first_of16(weights))
    merge_rows(sums, span_sums, head_dim, first_of16(old), first_of16(new))


def _greater(e: Emitter, x: Value, other: Value) -> Value:
    return e.builder.select(e.builder.fcmp_ordered(">", x, other), x, other)
