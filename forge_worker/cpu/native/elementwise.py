"""Kernel code for short rows of float32: clear, scale, merge, normalise, rotate, scatter.

Lengths are even; where a docstring says so, multiples of 8. Addresses are bytes. What is added up
is added in one order whatever the registers. Knows nothing of heads, keys or values.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from numba.core import types

from forge_worker.cpu.native.kernel import ADDRESS, emitting
from forge_worker.cpu.native.lanes import maximum
from forge_worker.cpu.native.vector_ir import FLOAT, INT, Emitter, Value, long, splat_constant

WIDTHS = (16, 8, 2)  # lanes of the pieces that a row is cut into
FLOAT32 = types.float32

Piece = Callable[[Value, int], None]  # (place in bytes, lanes)


def by_pieces(e: Emitter, length: Value, piece: Piece, widths: tuple[int, ...] = WIDTHS) -> None:
    """Emit `piece` for all of a row, in as wide pieces as there are."""
    done = long(0)
    for width in widths:
        count = e.builder.udiv(e.builder.sub(length, done), long(width))
        with e.counting(count) as index:
            piece(e.times(e.at(done, e.times(index, width)), 4), width)
        done = e.at(done, e.times(count, width))


def load_floats(e: Emitter, address: Value, lanes: int) -> Value:
    return e.load(address, ir.VectorType(FLOAT, lanes), 4)


def multiply_add(e: Emitter, x: Value, factor: Value, added: Value) -> Value:
    """x · factor + added, rounded once."""
    return e.call(f"llvm.fma.v{x.type.count}f32", x.type, [x, factor, added])


def lane(e: Emitter, vector: Value, index: int) -> Value:
    return e.builder.extract_element(vector, ir.Constant(INT, index))


@emitting(None, ADDRESS, ADDRESS)
def clear_row(e: Emitter, row: Value, length: Value) -> None:
    def piece(place: Value, lanes: int) -> None:
        e.store(splat_constant(ir.VectorType(FLOAT, lanes), 0.0), e.at(row, place), 4)

    by_pieces(e, length, piece)


@emitting(None, ADDRESS, ADDRESS, ADDRESS, FLOAT32, FLOAT32)
def merge_rows(
    e: Emitter, row: Value, added: Value, length: Value, factor: Value, added_factor: Value
) -> None:
    """row = row · factor + added · added_factor."""

    def piece(place: Value, lanes: int) -> None:
        at = e.at(row, place)
        more = load_floats(e, e.at(added, place), lanes)
        more = e.builder.fmul(more, e.splat(added_factor, lanes))
        e.store(multiply_add(e, load_floats(e, at, lanes), e.splat(factor, lanes), more), at, 4)

    by_pieces(e, length, piece)


@emitting(None, ADDRESS, ADDRESS, ADDRESS, FLOAT32)
def divide_row(e: Emitter, out: Value, row: Value, length: Value, divisor: Value) -> None:
    def piece(place: Value, lanes: int) -> None:
        x = load_floats(e, e.at(row, place), lanes)
        e.store(e.builder.fdiv(x, e.splat(divisor, lanes)), e.at(out, place), 4)

    by_pieces(e, length, piece)


@emitting(None, ADDRESS, ADDRESS, ADDRESS, ADDRESS, FLOAT32)
def scatter_scaled(
    e: Emitter, row: Value, to: Value, stride: Value, length: Value, factor: Value
) -> None:
    """row · factor, number by number, to places `stride` bytes apart."""

    def piece(place: Value, lanes: int) -> None:
        x = load_floats(e, e.at(row, place), lanes)
        scaled = e.builder.fmul(x, e.splat(factor, lanes))
        first = e.at(to, e.builder.mul(e.builder.udiv(place, long(4)), stride))
        for index in range(lanes):
            e.store(lane(e, scaled, index), e.at(first, e.times(stride, index)), 4)

    by_pieces(e, length, piece)


@emitting(FLOAT32, ADDRESS, ADDRESS)
def sum_of_squares(e: Emitter, row: Value, length: Value) -> Value:
    """In 8 chains, which are then added by halves; `length` is a multiple of 8."""
    total = e.variable(splat_constant(ir.VectorType(FLOAT, 8), 0.0))

    def piece(place: Value, lanes: int) -> None:
        x = load_floats(e, e.at(row, place), lanes)
        e.builder.store(multiply_add(e, x, x, e.builder.load(total)), total)

    by_pieces(e, length, piece, widths=(8,))
    return _folded(e, e.builder.load(total), e.builder.fadd)


@emitting(FLOAT32, ADDRESS, ADDRESS)
def largest_magnitude(e: Emitter, row: Value, length: Value) -> Value:
    """NaN where any number is; `length` is a multiple of 8."""
    largest = e.variable(splat_constant(ir.VectorType(FLOAT, 8), 0.0))

    def piece(place: Value, lanes: int) -> None:
        x = load_floats(e, e.at(row, place), lanes)
        magnitude = e.call(f"llvm.fabs.v{lanes}f32", x.type, [x])
        e.builder.store(maximum(e, magnitude, e.builder.load(largest)), largest)

    by_pieces(e, length, piece, widths=(8,))
    return _folded(e, e.builder.load(largest), lambda low, high: maximum(e, low, high))


@emitting(None, ADDRESS, ADDRESS, ADDRESS, FLOAT32)
def scale_by_weights(e: Emitter, row: Value, weights: Value, length: Value, factor: Value) -> None:
    """row = (row · factor) · weights."""

    def piece(place: Value, lanes: int) -> None:
        x = load_floats(e, e.at(row, place), lanes)
        scaled = e.builder.fmul(x, e.splat(factor, lanes))
        weighted = e.builder.fmul(scaled, load_floats(e, e.at(weights, place), lanes))
        e.store(weighted, e.at(row, place), 4)

    by_pieces(e, length, piece)


@emitting(None, ADDRESS, ADDRESS, ADDRESS, ADDRESS)
def rotate_row(e: Emitter, row: Value, cos: Value, sin: Value, half: Value) -> None:
    """Pairs (i, i + half), by cos and sin [2 · half] as forge_worker/rotary.py has them."""

    def piece(place: Value, lanes: int) -> None:
        places = place, e.at(place, e.times(half, 4))
        pair = [load_floats(e, e.at(row, at), lanes) for at in places]
        for at, x, other in zip(places, pair, reversed(pair), strict=True):
            turned = e.builder.fmul(x, load_floats(e, e.at(cos, at), lanes))
            crossed = e.builder.fmul(other, load_floats(e, e.at(sin, at), lanes))
            e.store(e.builder.fadd(turned, crossed), e.at(row, at), 4)

    by_pieces(e, half, piece, widths=(16, 4, 1))


def _folded(e: Emitter, vector: Value, join: Callable[[Value, Value], Value]) -> Value:
    """8 lanes joined with those half the vector further, until one is left."""
    numbers = [lane(e, vector, index) for index in range(8)]
    while len(numbers) > 1:
        half = len(numbers) // 2
        numbers = [join(a, b) for a, b in zip(numbers[:half], numbers[half:], strict=True)]
    return numbers[0]
