"""Products of packed weights with activations, and what is done with them at once.

    task       some neighbouring pairs of tiles, with all activations
    finish     store, add to what is there, bend, or gate: act(first tile) · second tile

Activations come in groups of a size that the weights' format likes, as alike as may be. Long
batches go in chunks that stay in a core's cache while all pairs of the task meet them. What was
computed beyond the last row of weights, or for activations that are not there, is dropped. Knows
formats only as Microkernels.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from forge_worker.cpu.native.gates import bend16, gate16
from forge_worker.cpu.native.kernel import Kernel, compile_kernel, inlined
from forge_worker.cpu.native.lanes import add16, load16, mul16, splat16, store16
from forge_worker.cpu.native.memory import read_float, read_long, write_float
from forge_worker.cpu.native.microkernel import Microkernel, call_product, compile_variants
from forge_worker.cpu.native.tiles import NUM_SUMS

CHUNK_ROWS = 504  # activations that meet a task's weights at a time: a multiple of group sizes
MIN_PREFETCHED_ROWS = 3  # fewer wait for memory anyhow, which then runs ahead by itself
MAX_GROUP = 12
TILE_OUTPUT_BYTES = 64
PAIR_OUTPUT_BYTES = 2 * TILE_OUTPUT_BYTES


class Finish(IntEnum):
    STORE = 0
    ADD = 1  # scale · the product, to what is there
    GATE = 2  # act(first tile) · second tile
    BEND = 3  # by a soft cap


class GemmArguments(NamedTuple):
    """Addresses, and sizes in bytes where the names say so, in the order of the record."""

    product: int  # the format's microkernel
    tiles: int
    tile_bytes: int
    pair_bytes: int  # from one pair's first tile to the next pair's
    second_bytes: int  # from a pair's first tile to its second
    num_pairs: int
    pairs_per_task: int
    length: int  # padded number of columns
    activations: int
    activation_bytes: int  # of a row
    scales: int  # float32 [rows][length / 32], of int8 activations
    sums: int  # [rows][BlockSums][length / 32], likewise
    num_rows_address: int  # of an int64: how many activations there are
    out: int  # float32, of the first row and the first pair
    out_bytes: int  # of a row
    num_outputs: int  # of a row, beyond which nothing is written
    bias: int  # float32, padded to whole pairs; 0 for none
    finish: int
    gate_code: int
    scale_bits: int  # float32: of ADD its scale, of BEND its cap


AT = GemmArguments(*range(0, 8 * len(GemmArguments._fields), 8))


class Choice(NamedTuple):
    """What a format's microkernel does with so many rows."""

    size_index: Callable[[int], int]  # the smallest group that holds so many
    prefetch_level: Callable[[int, int], int]  # (num_rows, num_groups)


class Gemm(NamedTuple):
    kernel: Kernel
    product: Kernel  # which the kernel calls


def compile_gemm(microkernel: Microkernel, name: str) -> Gemm:
    multiply_pair = _multiply_pair(microkernel)

    def gemm(arguments: int, task: int, scratch: int) -> None:
        first_pair = task * read_long(arguments + AT.pairs_per_task)
        end_pair = first_pair + read_long(arguments + AT.pairs_per_task)
        end_pair = min(end_pair, read_long(arguments + AT.num_pairs))
        num_rows = read_long(read_long(arguments + AT.num_rows_address))
        for first_row in range(0, num_rows, CHUNK_ROWS):
            chunk = min(CHUNK_ROWS, num_rows - first_row)
            for pair in range(first_pair, end_pair):
                multiply_pair(arguments, pair, first_row, chunk, scratch)

    return Gemm(compile_kernel(gemm, name), compile_variants(microkernel, f"{name}-product"))


def _choice(microkernel: Microkernel) -> Choice:
    sizes = microkernel.group_sizes
    min_groups = tuple(level.min_groups for level in microkernel.prefetch)
    num_sizes, num_levels = len(sizes), len(min_groups)

    @inlined
    def size_index(num_rows: int) -> int:
        for index in range(num_sizes):
            if sizes[index] >= num_rows:
                return index
        return num_sizes - 1

    @inlined
    def prefetch_level(num_rows: int, num_groups: int) -> int:
        level = 0
        if num_rows >= MIN_PREFETCHED_ROWS:
            for index in range(num_levels):
                if num_groups >= min_groups[index]:
                    level = index + 1
        return level

    return Choice(size_index, prefetch_level)


def _multiply_pair(microkernel: Microkernel) -> Callable[[int, int, int, int, int], None]:
    """(arguments, pair, first_row, num_rows, room for outputs)"""
    size_index, prefetch_level = _choice(microkernel)
    sizes = microkernel.group_sizes
    lines = (0, *(level.num_lines for level in microkernel.prefetch))
    num_sizes, largest, turn_columns = len(sizes), sizes[-1], microkernel.turn_columns

    @inlined
    def multiply_pair(
        arguments: int, pair: int, first_row: int, num_rows: int, outputs: int
    ) -> None:
        tile = read_long(arguments + AT.tiles) + pair * read_long(arguments + AT.pair_bytes)
        second = tile + read_long(arguments + AT.second_bytes)
        product = read_long(arguments + AT.product)
        activations = read_long(arguments + AT.activations)
        activation_bytes = read_long(arguments + AT.activation_bytes)
        scales, sums = read_long(arguments + AT.scales), read_long(arguments + AT.sums)
        length = read_long(arguments + AT.length)
        table_bytes = length // 8
        num_groups = (num_rows + largest - 1) // largest
        level = prefetch_level(num_rows, num_groups)
        ahead = read_long(arguments + AT.pair_bytes)
        end = ahead + read_long(arguments + AT.tile_bytes)
        row, end_row = first_row, first_row + num_rows
        while row < end_row:
            index = size_index((end_row - row + num_groups - 1) // num_groups)
            call_product(
                product,
                level * num_sizes + index,
                tile,
                second,
                activations + row * activation_bytes,
                scales + row * table_bytes,
                sums + row * NUM_SUMS * table_bytes,
                length,
                outputs,
                tile + ahead,
                second + ahead,
            )
            done = min(sizes[index], end_row - row)
            finish_group(arguments, pair, row, done, outputs)
            row += done
            num_groups -= 1
            ahead += length // turn_columns * 64 * lines[level]
            if ahead >= end:
                level = 0

    return multiply_pair


@inlined
def finish_group(arguments: int, pair: int, first_row: int, num_rows: int, outputs: int) -> None:
    out_bytes = read_long(arguments + AT.out_bytes)
    out = read_long(arguments + AT.out) + first_row * out_bytes
    num_outputs = read_long(arguments + AT.num_outputs)
    finish = read_long(arguments + AT.finish)
    bias = read_long(arguments + AT.bias)
    code, scale = read_long(arguments + AT.gate_code), read_float(arguments + AT.scale_bits)
    for row in range(num_rows):
        values = outputs + row * PAIR_OUTPUT_BYTES
        second = values + TILE_OUTPUT_BYTES
        if bias != 0:
            add_bias(arguments, pair, values)
        if finish == Finish.GATE:
            store16(values, gate16(load16(values), load16(second), code))
            put(out + pair * TILE_OUTPUT_BYTES, values, num_outputs - 16 * pair, False)
        else:
            if finish == Finish.ADD:
                store16(values, mul16(load16(values), splat16(scale)))
                store16(second, mul16(load16(second), splat16(scale)))
            elif finish == Finish.BEND:
                store16(values, bend16(load16(values), scale))
                store16(second, bend16(load16(second), scale))
            place, left = out + pair * PAIR_OUTPUT_BYTES, num_outputs - 32 * pair
            put(place, values, left, finish == Finish.ADD)
            put(place + TILE_OUTPUT_BYTES, second, left - 16, finish == Finish.ADD)
        out += out_bytes


@inlined
def add_bias(arguments: int, pair: int, values: int) -> None:
    """That of a tile's outputs stands where its rows stand among all rows."""
    tile_bytes = read_long(arguments + AT.tile_bytes)
    first = pair * read_long(arguments + AT.pair_bytes) // tile_bytes
    second = first + read_long(arguments + AT.second_bytes) // tile_bytes
    bias = read_long(arguments + AT.bias)
    for place, tile in ((values, first), (values + TILE_OUTPUT_BYTES, second)):
        store16(place, add16(load16(place), load16(bias + TILE_OUTPUT_BYTES * tile)))


@inlined
def put(out: int, values: int, count: int, is_adding: bool) -> None:
    """The first `count` of 16 numbers, all of them where it is more."""
    if count >= 16:
        numbers = load16(values)
        if is_adding:
            numbers = add16(load16(out), numbers)
        store16(out, numbers)
        return
    for lane in range(count):
        number = read_float(values + 4 * lane)
        if is_adding:
            number += read_float(out + 4 * lane)
        write_float(out + 4 * lane, number)
