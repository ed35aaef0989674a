"""Rows of activations made ready for a product: normed, then as the weights' format wants them.

    float32    [rows][length], zeros behind the last column
    bfloat16   likewise, rounded
    int8       likewise, 32 to a scale: value = scale · number; and of each 32 also sums, which
               weights that are not symmetric need (tiles.BlockSums)

One task is one row, and no row's numbers meet another's. A number that is not finite makes its own
block's scale so, and with it all of the row's products. Knows no weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from forge_worker.cpu.native.byte_blocks import quantise_block
from forge_worker.cpu.native.gates import gate16
from forge_worker.cpu.native.kernel import Kernel, compile_kernel, inlined
from forge_worker.cpu.native.lanes import (
    add16,
    fma16,
    load16,
    mul16,
    splat16,
    store16,
    store16_bfloats,
    sum16,
    zeros16,
)
from forge_worker.cpu.native.memory import read_float, read_int, read_long, write_float
from forge_worker.cpu.native.tiles import BLOCK, NUM_SUMS, ActivationKind

HIGHEST_NUMBER = 127.0
TINIEST = 1e-30  # 127 / less would not be finite


class PrepareArguments(NamedTuple):
    """In the order of the record."""

    x: int  # float32
    x_bytes: int  # of a row
    rows_address: int  # where the address of int32 numbers of rows to take stands; 0 for all
    num_columns: int
    length: int  # padded
    norm: int  # float32 [length], or 0 for none
    eps_bits: int
    out: int
    out_bytes: int  # of a row
    scales: int  # float32 [rows][length / 32], of int8
    sums: int  # [rows][BlockSums][length / 32], likewise


AT = PrepareArguments(*range(0, 8 * len(PrepareArguments._fields), 8))
Convert = Callable[[int, int, int], None]  # (arguments, row, float32 [length])


def bits_of(number: float) -> int:
    return int(np.float32(number).view(np.int32))


def compile_prepare(kind: ActivationKind, name: str) -> Kernel:
    convert = CONVERTERS[kind]

    def prepare(arguments: int, task: int, scratch: int) -> None:
        rows_address = read_long(arguments + AT.rows_address)
        row = task if rows_address == 0 else read_int(read_long(rows_address) + 4 * task)
        x = read_long(arguments + AT.x) + row * read_long(arguments + AT.x_bytes)
        copy_padded(
            x, read_long(arguments + AT.num_columns), read_long(arguments + AT.length), scratch
        )
        if read_long(arguments + AT.norm) != 0:
            normalise(arguments, scratch)
        convert(arguments, task, scratch)

    return compile_kernel(prepare, name)


@inlined
def copy_padded(x: int, count: int, length: int, out: int) -> None:
    whole = count // 16 * 16
    for first in range(0, whole, 16):
        store16(out + 4 * first, load16(x + 4 * first))
    for index in range(whole, count):
        write_float(out + 4 * index, read_float(x + 4 * index))
    for index in range(count, length):
        write_float(out + 4 * index, 0.0)


@inlined
def normalise(arguments: int, x: int) -> None:
    """x / sqrt(mean(x²) + eps) · weight, in place."""
    length, norm = read_long(arguments + AT.length), read_long(arguments + AT.norm)
    squares, more = zeros16(), zeros16()
    for first in range(0, length, 32):
        low, high = load16(x + 4 * first), load16(x + 4 * first + 64)
        squares = fma16(low, low, squares)
        more = fma16(high, high, more)
    mean = sum16(add16(squares, more)) / np.float32(read_long(arguments + AT.num_columns))
    factor = np.float32(1) / np.sqrt(mean + read_float(arguments + AT.eps_bits))
    for first in range(0, length, 16):
        scaled = mul16(load16(x + 4 * first), splat16(factor))
        store16(x + 4 * first, mul16(scaled, load16(norm + 4 * first)))


@inlined
def keep_floats(arguments: int, row: int, x: int) -> None:
    out = read_long(arguments + AT.out) + row * read_long(arguments + AT.out_bytes)
    columns = min(read_long(arguments + AT.length), read_long(arguments + AT.out_bytes) // 4)
    copy_padded(x, columns, columns, out)


@inlined
def to_bfloats(arguments: int, row: int, x: int) -> None:
    out = read_long(arguments + AT.out) + row * read_long(arguments + AT.out_bytes)
    for first in range(0, read_long(arguments + AT.length), 16):
        store16_bfloats(out + 2 * first, load16(x + 4 * first))


@inlined
def to_bytes(arguments: int, row: int, x: int) -> None:
    out = read_long(arguments + AT.out) + row * read_long(arguments + AT.out_bytes)
    num_blocks = read_long(arguments + AT.length) // BLOCK
    scales = read_long(arguments + AT.scales) + 4 * num_blocks * row
    sums = read_long(arguments + AT.sums) + NUM_SUMS * 4 * num_blocks * row
    for block in range(num_blocks):
        at = BLOCK * block
        quantise_block(x + 4 * at, out + at, scales + 4 * block, sums + 4 * block, 4 * num_blocks)


CONVERTERS: Mapping[ActivationKind, Convert] = MappingProxyType(
    {"float32": keep_floats, "bfloat16": to_bfloats, "int8": to_bytes}
)


class GateArguments(NamedTuple):
    """Of act(gate) · up, where gate and up lie side by side in the rows of x."""

    x: int
    x_bytes: int
    num_columns: int  # of either
    out: int
    out_bytes: int
    code: int


GATE_AT = GateArguments(*range(0, 8 * len(GateArguments._fields), 8))


def compile_gate(name: str) -> Kernel:
    def gate(arguments: int, task: int, scratch: int) -> None:
        num_columns = read_long(arguments + GATE_AT.num_columns)
        code = read_long(arguments + GATE_AT.code)
        x = read_long(arguments + GATE_AT.x) + task * read_long(arguments + GATE_AT.x_bytes)
        out = read_long(arguments + GATE_AT.out) + task * read_long(arguments + GATE_AT.out_bytes)
        length = (num_columns + 15) // 16 * 16
        up = scratch + 4 * length
        copy_padded(x, num_columns, length, scratch)
        copy_padded(x + 4 * num_columns, num_columns, length, up)
        for first in range(0, 4 * length, 64):
            gated = gate16(load16(scratch + first), load16(up + first), code)
            store16(scratch + first, gated)
        copy_padded(scratch, num_columns, num_columns, out)

    return compile_kernel(gate, name)


class JoinArguments(NamedTuple):
    """Of residual += scale · norm(x). The first are those of PrepareArguments, for the norm."""

    x: int
    x_bytes: int
    rows_address: int  # 0
    num_columns: int
    length: int
    norm: int  # or 0 for none
    eps_bits: int
    residual: int
    residual_bytes: int
    scale_bits: int


JOIN_AT = JoinArguments(*range(0, 8 * len(JoinArguments._fields), 8))


def compile_join(name: str) -> Kernel:
    def join(arguments: int, task: int, scratch: int) -> None:
        x = read_long(arguments + JOIN_AT.x) + task * read_long(arguments + JOIN_AT.x_bytes)
        num_columns, length = (
            read_long(arguments + AT.num_columns),
            read_long(arguments + AT.length),
        )
        copy_padded(x, num_columns, length, scratch)
        if read_long(arguments + AT.norm) != 0:
            normalise(arguments, scratch)
        place = read_long(arguments + JOIN_AT.residual)
        place += task * read_long(arguments + JOIN_AT.residual_bytes)
        scale = read_float(arguments + JOIN_AT.scale_bits)
        for column in range(num_columns):
            number = read_float(place + 4 * column) + read_float(scratch + 4 * column) * scale
            write_float(place + 4 * column, number)

    return compile_kernel(join, name)
