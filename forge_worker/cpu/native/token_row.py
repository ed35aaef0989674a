"""A row of logits as the sampling kernel sees it: rules and masks applied, cut in chunks of 64.

A row that nothing is asked of is read where it is, but for its last chunk, which is copied so that
whole vectors may be read. Rules are the arithmetic of forge_worker/sampler/logit_rules.py, in its
order and rounded alike. Knows no filters and no chance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_worker.cpu.native.kernel import inlined
from forge_worker.cpu.native.lanes import highest16, load16, max16, splat16, store16
from forge_worker.cpu.native.memory import read_float, read_int, read_long, write_float
from forge_worker.cpu.native.pool import CACHE_LINE_BYTES
from forge_worker.cpu.native.token_lanes import (
    CHUNK,
    float_of_bits,
    load16_allowed,
    lowest_bit,
    not_below16,
)
from forge_worker.cpu.native.vector_ir import LANES

CHUNK_BYTES = 4 * CHUNK
VECTOR_BYTES = 4 * LANES
VECTORS_PER_CHUNK = CHUNK // LANES
WORD_TOKENS = 32  # of a mask

# Of a thread's scratch, in bytes; what grows with the vocabulary comes behind.
TAIL, BITS, MAXIMA = 0, CHUNK_BYTES, 2 * CHUNK_BYTES

LOWEST = float("-inf")


class RuleFields(NamedTuple):
    """What is asked of a row before temperature, in the order of the record."""

    mask: int  # address of words of 32 tokens, or 0
    num_seen: int
    seen_token_ids: int  # address of int64
    seen_counts: int  # address of float32
    repetition_bits: int  # of a float32
    frequency_bits: int
    presence_bits: int
    num_biased: int
    biased_token_ids: int  # address of int64
    biases: int  # address of float32
    num_banned: int
    banned_token_ids: int  # address of int64
    num_allowed: int
    allowed_token_ids: int  # address of int64, or 0 where all are allowed


RULE = RuleFields(*range(0, 8 * len(RuleFields._fields), 8))


class Room(NamedTuple):
    """Addresses in a thread's scratch."""

    tail: int
    bits: int
    maxima: int  # float32 of each chunk
    row: int  # float32 of all tokens, and to the end of the last chunk
    keys: int  # int64, as many
    masses: int  # float32, as many


class TokenRow(NamedTuple):
    values: int
    tail: int  # where the last chunk is
    num_chunks: int
    maxima: int


def room_bytes(vocab_size: int) -> int:
    num_chunks = -(-vocab_size // CHUNK)
    return MAXIMA + _maxima_bytes(num_chunks) + num_chunks * CHUNK * (4 + 8 + 4)


def _maxima_bytes(num_chunks: int) -> int:
    return (4 * num_chunks // CACHE_LINE_BYTES + 1) * CACHE_LINE_BYTES


@inlined
def room_of(scratch: int, num_chunks: int) -> Room:
    row = scratch + MAXIMA + (4 * num_chunks // CACHE_LINE_BYTES + 1) * CACHE_LINE_BYTES
    keys = row + num_chunks * CHUNK_BYTES
    masses = keys + 2 * num_chunks * CHUNK_BYTES
    return Room(scratch + TAIL, scratch + BITS, scratch + MAXIMA, row, keys, masses)


@inlined
def chunk_at(row: TokenRow, chunk: int) -> int:
    return row.tail if chunk == row.num_chunks - 1 else row.values + chunk * CHUNK_BYTES


@inlined
def open_row(logits: int, rules: int, vocab_size: int, room: Room) -> TokenRow:
    """`rules` is the address of RuleFields, or 0 where there are none."""
    num_chunks = (vocab_size + CHUNK - 1) // CHUNK
    start = (num_chunks - 1) * CHUNK
    if rules == 0:
        copy_tokens(logits + 4 * start, vocab_size - start, room.tail)
        return TokenRow(logits, room.tail, num_chunks, room.maxima)
    copy_tokens(logits, vocab_size, room.row)
    penalise(room.row, rules)
    change(room.row, rules)
    keep_allowed(room.row, rules, num_chunks, room.keys)
    if read_long(rules + RULE.mask) != 0:
        keep_masked(room.row, read_long(rules + RULE.mask), vocab_size)
    return TokenRow(room.row, room.row + 4 * start, num_chunks, room.maxima)


@inlined
def copy_tokens(values: int, num_tokens: int, to: int) -> None:
    """And -inf behind them, to the end of the last chunk."""
    num_vectors = num_tokens // LANES
    for vector in range(num_vectors):
        store16(to + vector * VECTOR_BYTES, load16(values + vector * VECTOR_BYTES))
    for token in range(num_vectors * LANES, num_tokens):
        write_float(to + 4 * token, read_float(values + 4 * token))
    for token in range(num_tokens, (num_tokens + CHUNK - 1) // CHUNK * CHUNK):
        write_float(to + 4 * token, LOWEST)


@inlined
def penalise(row: int, rules: int) -> None:
    repetition = float_of_bits(read_long(rules + RULE.repetition_bits))
    frequency = float_of_bits(read_long(rules + RULE.frequency_bits))
    presence = float_of_bits(read_long(rules + RULE.presence_bits))
    token_ids, counts = read_long(rules + RULE.seen_token_ids), read_long(rules + RULE.seen_counts)
    for index in range(read_long(rules + RULE.num_seen)):
        place = row + 4 * read_long(token_ids + 8 * index)
        value, count = read_float(place), read_float(counts + 4 * index)
        value = value / repetition if value > 0 else value * repetition
        value = value - frequency * count
        write_float(place, value - presence * np.float32(count > 0))


@inlined
def change(row: int, rules: int) -> None:
    """Biases, and then bans."""
    token_ids, biases = read_long(rules + RULE.biased_token_ids), read_long(rules + RULE.biases)
    for index in range(read_long(rules + RULE.num_biased)):
        place = row + 4 * read_long(token_ids + 8 * index)
        write_float(place, read_float(place) + read_float(biases + 4 * index))
    banned = read_long(rules + RULE.banned_token_ids)
    for index in range(read_long(rules + RULE.num_banned)):
        write_float(row + 4 * read_long(banned + 8 * index), LOWEST)


@inlined
def keep_allowed(row: int, rules: int, num_chunks: int, kept: int) -> None:
    token_ids, num_tokens = (
        read_long(rules + RULE.allowed_token_ids),
        read_long(rules + RULE.num_allowed),
    )
    if token_ids == 0:
        return
    for index in range(num_tokens):
        write_float(kept + 4 * index, read_float(row + 4 * read_long(token_ids + 8 * index)))
    for vector in range(num_chunks * VECTORS_PER_CHUNK):
        store16(row + vector * VECTOR_BYTES, splat16(LOWEST))
    for index in range(num_tokens):
        write_float(row + 4 * read_long(token_ids + 8 * index), read_float(kept + 4 * index))


@inlined
def keep_masked(row: int, words: int, vocab_size: int) -> None:
    for word in range((vocab_size + WORD_TOKENS - 1) // WORD_TOKENS):
        bits, place = read_int(words + 4 * word), row + 4 * WORD_TOKENS * word
        store16(place, load16_allowed(place, bits))
        store16(place + VECTOR_BYTES, load16_allowed(place + VECTOR_BYTES, bits >> LANES))


@inlined
def write_maxima(row: TokenRow) -> float:
    """Of each chunk; returns that of the row, NaN where anything is."""
    best = np.float32(LOWEST)
    for chunk in range(row.num_chunks):
        place = chunk_at(row, chunk)
        low = max16(load16(place), load16(place + VECTOR_BYTES))
        high = max16(load16(place + 2 * VECTOR_BYTES), load16(place + 3 * VECTOR_BYTES))
        highest = highest16(max16(low, high))
        write_float(row.maxima + 4 * chunk, highest)
        best = highest if highest > best or highest != highest else best
    return best  # type: ignore[return-value]


@inlined
def first_of(row: TokenRow, best: float) -> int:
    """The first token whose value is the row's largest."""
    for chunk in range(row.num_chunks):
        if read_float(row.maxima + 4 * chunk) == best:
            place = chunk_at(row, chunk)
            for vector in range(VECTORS_PER_CHUNK):
                found = not_below16(load16(place + vector * VECTOR_BYTES), best)
                if found != 0:
                    return chunk * CHUNK + vector * LANES + lowest_bit(found)  # type: ignore[no-any-return]
    return 0
