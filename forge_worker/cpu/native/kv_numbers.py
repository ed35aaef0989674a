"""Cached numbers in registers: how kernels read each format as float32, and write it.

A row, the key or the value of one token in one head, is written times a factor; where the format
has scales, one of each row, the factor makes its largest number the format's and the scale undoes
it. A row
with a number that is not finite is stored so that its scores, or what attends to it, are not
finite either. Knows no layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from llvmlite import ir

from forge_worker.cpu.native.elementwise import (
    FLOAT32,
    by_pieces,
    lane,
    largest_magnitude,
    load_floats,
)
from forge_worker.cpu.native.fp8_lanes import LARGEST_FP8, round_to_fp8, widen_fp8
from forge_worker.cpu.native.kernel import ADDRESS, emitting, inlined
from forge_worker.cpu.native.kv_layout import KVFormatName
from forge_worker.cpu.native.lanes import ROUNDER, round_to_bfloats
from forge_worker.cpu.native.memory import write_float
from forge_worker.cpu.native.vector_ir import (
    BYTE,
    FLOAT,
    INT,
    SHORT,
    Emitter,
    Value,
    splat_constant,
)

LARGEST_INT8 = 127.0


class KVNumbers(NamedTuple):
    num_bytes: int  # of a number
    largest: float | None  # what a row's largest number is stored as, where rows have scales
    widen: Callable[[Emitter, Value, int], Value]  # (address, lanes): float32 [lanes]
    narrow: Callable[[Emitter, Value], Value]  # float32 [lanes]: as stored [lanes]

    @property
    def has_scales(self) -> bool:
        return self.largest is not None


class RowWriter(NamedTuple):
    """Kernel functions."""

    write: Callable[..., None]  # (to, row, length, factor): one after the other
    scatter: Callable[..., None]  # (to, row, length, stride, factor): `stride` bytes apart
    factor: Callable[..., float]  # (row, length, place of the scale): which it writes, if there is


def make_row_writer(numbers: KVNumbers) -> RowWriter:
    """Rows are float32 of a length that is a multiple of 8."""

    def narrowed(e: Emitter, row: Value, place: Value, lanes: int, factor: Value) -> Value:
        x = load_floats(e, e.at(row, place), lanes)
        return numbers.narrow(e, e.builder.fmul(x, e.splat(factor, lanes)))

    @emitting(None, ADDRESS, ADDRESS, ADDRESS, FLOAT32)
    def write(e: Emitter, to: Value, row: Value, length: Value, factor: Value) -> None:
        def piece(place: Value, lanes: int) -> None:
            index = e.builder.udiv(place, ir.Constant(place.type, 4))
            stored = narrowed(e, row, place, lanes, factor)
            e.store(stored, e.at(to, e.times(index, numbers.num_bytes)), 1)

        by_pieces(e, length, piece)

    @emitting(None, ADDRESS, ADDRESS, ADDRESS, ADDRESS, FLOAT32)
    def scatter(
        e: Emitter, to: Value, row: Value, length: Value, stride: Value, factor: Value
    ) -> None:
        def piece(place: Value, lanes: int) -> None:
            stored = narrowed(e, row, place, lanes, factor)
            index = e.builder.udiv(place, ir.Constant(place.type, 4))
            first = e.at(to, e.builder.mul(index, stride))
            for number in range(lanes):
                e.store(lane(e, stored, number), e.at(first, e.times(stride, number)), 1)

        by_pieces(e, length, piece)

    factor = _unscaled if numbers.largest is None else _scaling_to(numbers.largest)
    return RowWriter(write, scatter, factor)


def _scaling_to(bound: float) -> Callable[..., float]:
    @inlined
    def scaled(row: int, length: int, scale_place: int) -> float:
        largest: float = largest_magnitude(row, length)
        write_float(scale_place, largest / bound)
        return bound / largest

    return scaled


@inlined
def _unscaled(row: int, length: int, scale_place: int) -> float:
    return 1.0


def _widen_floats(e: Emitter, address: Value, lanes: int) -> Value:
    return load_floats(e, address, lanes)


def _keep_floats(e: Emitter, x: Value) -> Value:
    return x


def _widen_bfloats(e: Emitter, address: Value, lanes: int) -> Value:
    """A bfloat16 is the upper half of a float32."""
    kind = ir.VectorType(INT, lanes)
    wide = e.builder.zext(e.load(address, ir.VectorType(SHORT, lanes), 2), kind)
    upper = e.builder.shl(wide, splat_constant(kind, 16))
    return e.builder.bitcast(upper, ir.VectorType(FLOAT, lanes))


def _widen_bytes(e: Emitter, address: Value, lanes: int) -> Value:
    wide = e.builder.sext(e.load(address, ir.VectorType(BYTE, lanes), 1), ir.VectorType(INT, lanes))
    return e.builder.sitofp(wide, ir.VectorType(FLOAT, lanes))


def _round_to_bytes(e: Emitter, x: Value) -> Value:
    """Of numbers in -127 .. 127; of NaN some byte."""
    lanes = x.type.count
    shifted = e.builder.fadd(x, splat_constant(x.type, ROUNDER))
    bits = e.builder.bitcast(shifted, ir.VectorType(INT, lanes))
    return e.builder.trunc(bits, ir.VectorType(BYTE, lanes))


KV_NUMBERS: Mapping[KVFormatName, KVNumbers] = MappingProxyType(
    {
        "float32": KVNumbers(4, None, _widen_floats, _keep_floats),
        "bfloat16": KVNumbers(2, None, _widen_bfloats, round_to_bfloats),
        "int8": KVNumbers(1, LARGEST_INT8, _widen_bytes, _round_to_bytes),
        "fp8": KVNumbers(1, LARGEST_FP8, widen_fp8, round_to_fp8),
    }
)
