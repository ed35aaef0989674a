"""The kernel that draws the token of a row: rules, best token, filters, noise; a task is a row.

Gumbel-max as forge_worker/sampler/choice.py has it, with the same bits. The best token's own score
is a floor that others must beat, so that two logarithms are taken for a few tokens only: those are
taken in double precision and rounded, where NumPy takes them in float32, so that a noise may differ
in its last bit, and a token where two scores are as close as that. Knows no batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from forge_worker.cpu.native.kernel import Kernel, compile_kernel, inlined
from forge_worker.cpu.native.memory import (
    read_double,
    read_float,
    read_int,
    read_long,
    write_float,
    write_long,
)
from forge_worker.cpu.native.token_lanes import (
    CHUNK,
    HALF_BIT,
    LOW_WORD,
    PER_BIT,
    contenders16,
    lowest_bit,
    not_below16,
    write_bits,
)
from forge_worker.cpu.native.token_row import (
    VECTOR_BYTES,
    VECTORS_PER_CHUNK,
    Room,
    TokenRow,
    chunk_at,
    first_of,
    open_row,
    room_of,
    write_maxima,
)
from forge_worker.cpu.native.token_selection import (
    ANY_TOKEN,
    Filters,
    Tempered,
    key_of,
    last_kept,
    value_of,
    value_of_logit,
    values_at,
)
from forge_worker.cpu.native.vector_ir import LANES
from forge_worker.sampler.choice import LARGEST_U, NOISE_RANGE

NOISE_LIMIT, HIGHEST_U = float(NOISE_RANGE), float(LARGEST_U)
LOWEST_SCORE = -2.9  # the likeliest token's is -log(24 log 2) = -2.812 or more


class SampleArguments(NamedTuple):
    """In the order of the record; addresses, but for the two numbers behind `logits`."""

    logits: int  # float32
    logits_bytes: int  # of a row
    vocab_size: int
    rows: int  # int32, of the table
    positions: int  # int32
    rules: int  # int64: of each row of the batch the address of RuleFields, or 0; or 0 for all
    temperature: int  # float32, of the table as the rest
    top_k: int  # int64
    top_p: int  # float64
    log_min_p: int  # float32
    seeds: int  # uint64
    choice_indices: int  # uint64
    token_ids: int  # int64, written
    best: int  # float32, written: the largest logit of each row after rules


AT = SampleArguments(*range(0, 8 * len(SampleArguments._fields), 8))


class Stream(NamedTuple):
    """Which noise a row draws."""

    seed: int
    choice_index: int
    position: int


def compile_sample(name: str) -> Kernel:
    return compile_kernel(sample, name)


def sample(arguments: int, task: int, scratch: int) -> None:
    vocab_size = read_long(arguments + AT.vocab_size)
    room = room_of(scratch, (vocab_size + CHUNK - 1) // CHUNK)
    logits = read_long(arguments + AT.logits) + task * read_long(arguments + AT.logits_bytes)
    row = open_row(logits, rules_of(arguments, task), vocab_size, room)
    best = write_maxima(row)
    write_float(read_long(arguments + AT.best) + 4 * task, best)
    token = 0
    if math.isfinite(best):
        token = first_of(row, best)
        slot = read_int(read_long(arguments + AT.rows) + 4 * task)
        temperature = read_float(read_long(arguments + AT.temperature) + 4 * slot)
        if temperature != 0:
            tempered = Tempered(best, temperature)
            last = last_to_draw(arguments, slot, row, tempered, room)
            stream = stream_of(arguments, task, slot)
            token = draw(row, tempered, last, stream, token, room)
    write_long(read_long(arguments + AT.token_ids) + 8 * task, token)


@inlined
def rules_of(arguments: int, task: int) -> int:
    table = read_long(arguments + AT.rules)
    return 0 if table == 0 else read_long(table + 8 * task)


@inlined
def stream_of(arguments: int, task: int, slot: int) -> Stream:
    return Stream(
        read_long(read_long(arguments + AT.seeds) + 8 * slot),
        read_long(read_long(arguments + AT.choice_indices) + 8 * slot),
        read_int(read_long(arguments + AT.positions) + 4 * task),
    )


@inlined
def last_to_draw(arguments: int, slot: int, row: TokenRow, tempered: Tempered, room: Room) -> int:
    """The key of the last token that filters keep, and that noise may carry to the top."""
    log_min_p = read_float(read_long(arguments + AT.log_min_p) + 4 * slot)
    last = key_of(max(log_min_p, np.float32(-NOISE_LIMIT)), ANY_TOKEN)
    top_k = read_long(read_long(arguments + AT.top_k) + 8 * slot)
    top_p = read_double(read_long(arguments + AT.top_p) + 8 * slot)
    has_count = top_k < read_long(arguments + AT.vocab_size)
    if has_count or top_p < 1.0:
        last = min(last, last_kept(row, tempered, Filters(has_count, top_k, top_p), room))
    return last  # type: ignore[no-any-return]


@inlined
def draw(
    row: TokenRow, tempered: Tempered, last: int, stream: Stream, winner: int, room: Room
) -> int:
    """Of tokens up to key `last`; `winner` is the likeliest at first, whose chunk is the first."""
    floor, first_chunk = value_of(last), winner // CHUNK
    score = np.float32(LOWEST_SCORE)
    for index in range(-1, row.num_chunks):
        chunk = index if index >= 0 else first_chunk
        highest = value_of_logit(read_float(row.maxima + 4 * chunk), tempered)
        if highest < floor or highest + np.float32(NOISE_LIMIT) < score:
            continue
        write_bits(room.bits, chunk, stream.seed, stream.choice_index, stream.position)
        place = chunk_at(row, chunk)
        for vector in range(VECTORS_PER_CHUNK):
            values = values_at(place + vector * VECTOR_BYTES, tempered)
            bits = room.bits + vector * VECTOR_BYTES
            found = not_below16(values, floor) & contenders16(values, bits, score)
            while found != 0:
                lane = lowest_bit(found)
                found &= found - 1
                offset = vector * LANES + lane
                value = value_of_logit(read_float(place + 4 * offset), tempered)
                token = chunk * CHUNK + offset
                own = value + noise_of(room.bits + 4 * offset)
                is_better = own > score or (own == score and token < winner)
                if is_better and key_of(value, token) <= last:
                    winner, score = token, own
    return winner


@inlined
def noise_of(place: int) -> float:
    """Gumbel noise from the 32 random bits at an address."""
    u = np.float32(read_int(place) & LOW_WORD) * np.float32(PER_BIT) + np.float32(HALF_BIT)
    u = min(u, np.float32(HIGHEST_U))
    rate = np.float32(-math.log1p(-np.float64(u)))
    return np.float32(-math.log(np.float64(rate)))  # type: ignore[return-value]
