"""The last token of a row that top-k, top-p and min-p keep, without a sort of the row.

Tokens stand in an order: larger values first, of equal values the lower token. A key is a number
that rises along it: the bits of a value that is not above 0, without the sign, and the token.

    threshold   what the k-th largest of the chunks' maxima is, at least k tokens are
    gather      keys (and masses exp(value)) of the tokens above it, from the chunks that reach it
    select      the last of them that is kept, by quickselect

A row is read once for its maxima, once more where top-p needs the mass of all of it, and otherwise
only where its chunks reach the threshold. What is kept is what forge_worker/sampler/filters.py
keeps, but for masses, whose last bit differs. Knows no rules and no chance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from forge_worker.cpu.native.kernel import inlined
from forge_worker.cpu.native.lanes import (
    add16,
    div16,
    exp16,
    load16,
    splat16,
    store16,
    sub16,
    sum16,
)
from forge_worker.cpu.native.memory import read_float, read_long, write_float, write_long
from forge_worker.cpu.native.token_lanes import (
    CHUNK,
    float_bits,
    float_of_bits,
    lowest_bit,
    not_below16,
)
from forge_worker.cpu.native.token_row import (
    VECTOR_BYTES,
    VECTORS_PER_CHUNK,
    Room,
    TokenRow,
    chunk_at,
)
from forge_worker.cpu.native.vector_ir import LANES

DEPTH = 0x7FFF_FFFF  # the bits of a float32 but its sign
TOKEN_BITS = 32
ANY_TOKEN = 0xFFFF_FFFF
LOWEST_FINITE = -3.4028234e38
NO_MASS = -87.0  # exp of what lies below is nothing
FIRST_RANK, RANK_GROWTH = 128, 8  # of the chunks' maxima: how far a row with top-p alone is read
ALL_MASS = math.inf
MARGIN = 0.01  # far more than rounding moves a threshold


class Tempered(NamedTuple):
    """What makes a logit a value: (logit - best) / temperature."""

    best: float
    temperature: float


class Filters(NamedTuple):
    has_count: bool  # whether top_k cuts anything
    top_k: int
    top_p: float


class Kept(NamedTuple):
    last: int  # the key of the last token kept
    mass: float  # of all that are kept


@inlined
def key_of(value: float, token: int) -> int:
    return (float_bits(value) & DEPTH) << TOKEN_BITS | token  # type: ignore[no-any-return]


@inlined
def value_of(key: int) -> float:
    return -float_of_bits(key >> TOKEN_BITS)  # type: ignore[no-any-return]


@inlined
def values_at(place: int, tempered: Tempered) -> object:
    return div16(sub16(load16(place), splat16(tempered.best)), splat16(tempered.temperature))


@inlined
def value_of_logit(logit: float, tempered: Tempered) -> float:
    return (logit - tempered.best) / tempered.temperature


@inlined
def last_kept(row: TokenRow, tempered: Tempered, filters: Filters, room: Room) -> int:
    """The key of the last token that top-k and top-p keep, one of which cuts something off."""
    num_found = 0
    rank, lowest, wanted = filters.top_k, np.float32(LOWEST_FINITE), ALL_MASS
    if not filters.has_count:
        total = whole_mass(row, tempered)
        wanted = filters.top_p * total
        # What lies below this is too little even if all tokens did.
        least = (1.0 - filters.top_p) * total / (row.num_chunks * CHUNK)
        rank, lowest = FIRST_RANK, np.float32(math.log(least) - MARGIN)
    is_enough = False
    while not is_enough:
        floor = max(threshold(row, tempered, rank, room), lowest)
        num_found = gather(row, tempered, floor, room)
        is_enough = filters.has_count or floor <= lowest
        is_enough = is_enough or gathered_mass(room, num_found) >= wanted
        rank *= RANK_GROWTH
    return last_of_gathered(filters, num_found, wanted, room)  # type: ignore[no-any-return]


@inlined
def last_of_gathered(filters: Filters, num_found: int, wanted: float, room: Room) -> int:
    """Where both filters cut, top-p counts the mass that top-k left."""
    max_count = filters.top_k if filters.has_count else num_found
    num_passes = 2 if filters.has_count and filters.top_p < 1.0 else 1
    last = 0
    for _ in range(num_passes):
        kept = select(room, num_found, max_count, wanted)
        last, wanted = kept.last, filters.top_p * kept.mass
    return last


@inlined
def threshold(row: TokenRow, tempered: Tempered, rank: int, room: Room) -> float:
    """A value that at least `rank` tokens reach, where so many are possible."""
    if rank > row.num_chunks:
        return np.float32(LOWEST_FINITE)  # type: ignore[return-value]
    for chunk in range(row.num_chunks):
        value = value_of_logit(read_float(row.maxima + 4 * chunk), tempered)
        write_long(room.keys + 8 * chunk, key_of(value, chunk))
        write_float(room.masses + 4 * chunk, 0.0)
    value = value_of(select(room, row.num_chunks, rank, ALL_MASS).last)
    return max(value, np.float32(LOWEST_FINITE))  # type: ignore[no-any-return]


@inlined
def gather(row: TokenRow, tempered: Tempered, floor: float, room: Room) -> int:
    """The keys and masses of all tokens at `floor` or above it; returns how many."""
    num_found = 0
    for chunk in range(row.num_chunks):
        highest = value_of_logit(read_float(row.maxima + 4 * chunk), tempered)
        if highest >= floor:
            place = chunk_at(row, chunk)
            for vector in range(VECTORS_PER_CHUNK):
                values = values_at(place + vector * VECTOR_BYTES, tempered)
                found = not_below16(values, floor)
                if found != 0:
                    store16(room.bits, values)
                while found != 0:
                    lane = lowest_bit(found)
                    found &= found - 1
                    value = read_float(room.bits + 4 * lane)
                    token = chunk * CHUNK + vector * LANES + lane
                    write_long(room.keys + 8 * num_found, key_of(value, token))
                    write_float(room.masses + 4 * num_found, value)
                    num_found += 1
    for first in range(0, num_found, LANES):  # beyond the last there is room
        place = room.masses + 4 * first
        store16(place, exp16(load16(place)))
    return num_found


@inlined
def whole_mass(row: TokenRow, tempered: Tempered) -> float:
    total = 0.0
    for chunk in range(row.num_chunks):
        highest = value_of_logit(read_float(row.maxima + 4 * chunk), tempered)
        if highest > NO_MASS:
            place = chunk_at(row, chunk)
            mass = splat16(0.0)
            for vector in range(VECTORS_PER_CHUNK):
                mass = add16(mass, exp16(values_at(place + vector * VECTOR_BYTES, tempered)))
            total += sum16(mass)
    return total


@inlined
def gathered_mass(room: Room, num_found: int) -> float:
    total = 0.0
    for index in range(num_found):
        total += read_float(room.masses + 4 * index)
    return total


@inlined
def select(room: Room, num_found: int, max_count: int, wanted: float) -> Kept:
    """Kept as long as fewer than `max_count` stand before a token, and less mass than `wanted`.

    Changes the order of what was gathered. At least one is there and kept.
    """
    low, high = 0, num_found
    count, mass = 0, 0.0
    last = 0
    while low < high and count < max_count and mass < wanted:
        middle = split(room, low, high)
        before = 0.0
        for index in range(low, middle):
            before += read_float(room.masses + 4 * index)
        if count + middle - low < max_count and mass + before < wanted:
            last = read_long(room.keys + 8 * middle)
            count += middle - low + 1
            mass += before + read_float(room.masses + 4 * middle)
            low = middle + 1
        else:
            high = middle
    return Kept(last, mass)


@inlined
def split(room: Room, low: int, high: int) -> int:
    """Lower keys than that at the place that is returned stand before it, higher ones behind."""
    exchange(room, median(room, low, high), high - 1)
    pivot = read_long(room.keys + 8 * (high - 1))
    place = low
    for index in range(low, high - 1):
        if read_long(room.keys + 8 * index) < pivot:
            exchange(room, index, place)
            place += 1
    exchange(room, place, high - 1)
    return place


@inlined
def median(room: Room, low: int, high: int) -> int:
    """The place of the key between those of the first, the middle and the last."""
    middle, end = (low + high) // 2, high - 1
    first, second, third = (
        read_long(room.keys + 8 * low),
        read_long(room.keys + 8 * middle),
        read_long(room.keys + 8 * end),
    )
    if (first < second) == (second < third):
        return middle
    return low if (second < first) == (first < third) else end


@inlined
def exchange(room: Room, one: int, other: int) -> None:
    key, mass = read_long(room.keys + 8 * one), read_float(room.masses + 4 * one)
    write_long(room.keys + 8 * one, read_long(room.keys + 8 * other))
    write_float(room.masses + 4 * one, read_float(room.masses + 4 * other))
    write_long(room.keys + 8 * other, key)
    write_float(room.masses + 4 * other, mass)
