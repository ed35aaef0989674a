"""The two products of attention, in registers: scores of keys, and weighted sums of values.

Both take a block of up to 6 rows, the queries of one key head. A score is one chain of fused
multiply-adds over the numbers of a head from the first to the last, a weighted sum one chain over
the keys in their order. Neither depends on how many rows or keys are computed beside it: that is
what keeps a row's bits independent of its batch. Knows no softmax and no tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from llvmlite import ir

from forge_worker.cpu.native.kv_numbers import KVNumbers
from forge_worker.cpu.native.vector_ir import (
    FLOAT,
    FLOATS,
    LANES,
    LONG,
    Emitter,
    Value,
    long,
    splat_constant,
)

ROWS_OF_BLOCKS = (1, 2, 3, 4, 6)  # each is compiled; a block of 5 has one row that nobody reads
MAX_BLOCK_ROWS = 6
GROUPS_PER_SPAN = 32
GROUP_SCORES_BYTES = LANES * 4
SCORES_STRIDE = (GROUPS_PER_SPAN + 4) * GROUP_SCORES_BYTES  # from a row to the next
SUMS_STRIDE = 256 * 4
LINES_AT_ONCE = 4  # of a group's head_dim lines of 16 keys
MIN_ROWS_FOR_REST = 4  # with as many sums under way at once a core is busy
MAX_VECTORS = 4
NUM_OFFSETS = 2 * GROUPS_PER_SPAN + MAX_VECTORS
NEAREST_CACHE = 3
CACHE_LINE_BYTES = 64


class Scores(NamedTuple):
    """scores [rows, groups, 16] = queries · keys.

    Groups are computed a few at a time: up to MAX_VECTORS - 1 more are looked at.
    """

    rows: Value  # one of ROWS_OF_BLOCKS
    groups: Value
    queries: Value  # [head_dim, rows] float32
    keys: Value  # of the head: groups lie at these bytes + offset
    offsets: Value  # int64
    ahead: Value  # of each group, the address of another one to be fetched meanwhile
    scores: Value  # float32; rows SCORES_STRIDE bytes apart
    head_dim: Value


class Sums(NamedTuple):
    """sums [rows, head_dim] += weights · values, over some lanes of some groups."""

    rows: Value
    first_group: Value
    end_group: Value
    first_lane: Value  # of every group
    end_lane: Value
    weights: Value  # [rows, groups, 16] float32; rows SCORES_STRIDE bytes apart
    values: Value  # of the head
    offsets: Value  # int64
    ahead: Value  # of each group, the address of another one to be fetched meanwhile
    sums: Value  # float32; rows SUMS_STRIDE bytes apart
    head_dim: Value


Grid = list[list[Value]]  # [rows][vectors]: variables of the function


class Tile(NamedTuple):
    """What registers hold of sums: rows × vectors."""

    rows: int
    num_vectors: int
    lanes: int


def emit_all_scores(
    e: Emitter, numbers: KVNumbers, call: Scores, rows: int, num_vectors: int
) -> None:
    """Groups in wide runs; those left over one by one where rows enough keep a core busy."""
    has_rest = rows >= MIN_ROWS_FOR_REST and num_vectors > 1
    filled = call.groups if has_rest else e.at(call.groups, num_vectors - 1)
    num_runs = e.builder.udiv(filled, long(num_vectors))
    with e.counting(num_runs) as run:
        _emit_scores(e, numbers, call, Tile(rows, num_vectors, LANES), e.times(run, num_vectors))
    if has_rest:
        done = e.times(num_runs, num_vectors)
        with e.counting(e.builder.sub(call.groups, done)) as rest:
            _emit_scores(e, numbers, call, Tile(rows, 1, LANES), e.builder.add(done, rest))


def _emit_scores(e: Emitter, numbers: KVNumbers, call: Scores, tile: Tile, first: Value) -> None:
    """Of as many groups as the tile has vectors, from the first."""
    width, line_bytes = tile.num_vectors, LANES * numbers.num_bytes
    groups = [e.at(call.keys, offset) for offset in _longs(e, call.offsets, first, width)]
    ahead = _longs(e, call.ahead, first, width)
    totals = _variables(e, tile, lambda *_: splat_constant(FLOATS, 0.0))
    with e.counting(e.builder.udiv(call.head_dim, long(LINES_AT_ONCE))) as turn:
        begin = e.times(turn, LINES_AT_ONCE)
        for group in ahead:
            for fetched in range(0, LINES_AT_ONCE * line_bytes, CACHE_LINE_BYTES):
                e.prefetch(e.at(group, e.times(begin, line_bytes), fetched), NEAREST_CACHE)
        for line in (e.at(begin, index) for index in range(LINES_AT_ONCE)):
            offset = e.times(line, line_bytes)
            vectors = [numbers.widen(e, e.at(group, offset), LANES) for group in groups]
            query = e.at(call.queries, e.times(line, tile.rows * 4))
            _multiply_add(e, totals, [e.at(query, row * 4) for row in range(tile.rows)], vectors)
    scores = e.at(call.scores, e.times(first, GROUP_SCORES_BYTES))
    scales = e.times(call.head_dim, line_bytes)
    for row, group, place in _flat(totals):
        total = e.builder.load(place)
        if numbers.has_scales:
            total = e.builder.fmul(total, e.load(e.at(groups[group], scales), FLOATS, 4))
        offset = row * SCORES_STRIDE + group * GROUP_SCORES_BYTES
        e.store(total, e.at(scores, offset), 4)


def _longs(e: Emitter, array: Value, first: Value, count: int) -> list[Value]:
    place = e.at(array, e.times(first, 8))
    return [e.load(e.at(place, 8 * index), LONG) for index in range(count)]


def emit_all_sums(e: Emitter, numbers: KVNumbers, call: Sums, rows: int, num_vectors: int) -> None:
    """Columns of the head in wide pieces, then in pieces of 16, then the 8 that may be left."""
    column = long(0)
    for tile in sorted({Tile(rows, num_vectors, LANES), Tile(rows, 1, LANES)}, reverse=True):
        width = tile.num_vectors * tile.lanes
        num_pieces = e.builder.udiv(e.builder.sub(call.head_dim, column), long(width))
        with e.counting(num_pieces) as piece:
            _emit_sums(e, numbers, call, tile, e.at(column, e.times(piece, width)))
        column = e.at(column, e.times(num_pieces, width))
    with e.builder.if_then(e.builder.icmp_signed("<", column, call.head_dim)):
        _emit_sums(e, numbers, call, Tile(rows, 1, LANES // 2), column)


def _emit_sums(e: Emitter, numbers: KVNumbers, call: Sums, tile: Tile, column: Value) -> None:
    b, kind = e.builder, ir.VectorType(FLOAT, tile.lanes)
    sums = e.at(call.sums, e.times(column, 4))

    def place_of(row: int, vector: int) -> Value:
        return e.at(sums, row * SUMS_STRIDE + vector * tile.lanes * 4)

    totals = _variables(e, tile, lambda row, vector: e.load(place_of(row, vector), kind, 4))
    line_bytes = e.times(call.head_dim, numbers.num_bytes)
    vector_bytes = tile.lanes * numbers.num_bytes
    with e.counting(b.sub(call.end_group, call.first_group)) as index:
        group = b.add(call.first_group, index)
        (offset,) = _longs(e, call.offsets, group, 1)
        values = e.at(call.values, offset, e.times(column, numbers.num_bytes))
        weights = e.at(call.weights, e.times(group, GROUP_SCORES_BYTES))
        (ahead,) = _longs(e, call.ahead, group, 1)
        ahead = e.at(ahead, e.times(column, numbers.num_bytes))
        with e.counting(b.sub(call.end_lane, call.first_lane)) as lanes:
            lane = b.add(call.first_lane, lanes)
            line = e.at(values, b.mul(lane, line_bytes))
            for fetched in range(0, tile.num_vectors * vector_bytes, CACHE_LINE_BYTES):
                e.prefetch(e.at(ahead, b.mul(lane, line_bytes), fetched), NEAREST_CACHE)
            vectors = [
                numbers.widen(e, e.at(line, v * vector_bytes), tile.lanes)
                for v in range(tile.num_vectors)
            ]
            weight = e.at(weights, e.times(lane, 4))
            factors = [e.at(weight, row * SCORES_STRIDE) for row in range(tile.rows)]
            _multiply_add(e, totals, factors, vectors)
    for row, vector, total in _flat(totals):
        e.store(b.load(total), place_of(row, vector), 4)


def _variables(e: Emitter, tile: Tile, initial: Callable[[int, int], Value]) -> Grid:
    rows, vectors = range(tile.rows), range(tile.num_vectors)
    return [[e.variable(initial(row, vector)) for vector in vectors] for row in rows]


def _multiply_add(e: Emitter, totals: Grid, factors: list[Value], vectors: list[Value]) -> None:
    """totals [rows, vectors] += the float32 at `factors` [rows] · `vectors`."""
    for row, factor in zip(totals, factors, strict=True):
        lanes = vectors[0].type.count
        number = e.splat(e.load(factor, FLOAT, 4), lanes)
        for total, vector in zip(row, vectors, strict=True):
            operands = [number, vector, e.builder.load(total)]
            e.builder.store(e.call(f"llvm.fma.v{lanes}f32", vector.type, operands), total)


def _flat(totals: Grid) -> Iterator[tuple[int, int, Value]]:
    for row, places in enumerate(totals):
        for vector, place in enumerate(places):
            yield row, vector, place
