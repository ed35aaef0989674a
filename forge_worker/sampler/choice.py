"""The draw: Gumbel-max (Gumbel 1954) with noise that is a function of seed, position and token.

A token's score is its value plus Gumbel noise; the best score wins, of equal ones the lower id.
The noise of token t at `position` comes from Philox4x32-10, one call for four neighbouring tokens:

    key      seed mod 2**32, seed div 2**32
    counter  t div 4, position, choice_index, 0
    bits     word t mod 4 of the result
    u        float32(bits) * 2**-32 + 2**-33, at most 1 - 2**-24     in (0, 1)
    noise    -log(-log1p(-u))                                        in float32

`u` is the upper tail, so the rare large noise that lets an unlikely token win is the finest
resolved. Noise lies in a known range, so a token further below the best than that range is wide
cannot win, and none is computed for it. Knows nothing of filters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_worker.forward_inputs import FloatArray
from forge_worker.philox import Bits, Counter, Key, Words, philox4x32, split_words
from forge_worker.sampler.filters import Candidates
from forge_worker.top_tokens import Mask, TokenArray

TOKENS_PER_CALL = 4
CALLS_PER_SLICE = 8192  # what stays in a core's cache while ten rounds pass over it
LARGEST_U = np.float32(1 - 2.0**-24)
NOISE_RANGE = np.float32(25.75)  # 33 log 2 + log(24 log 2), rounded up
SPARSE_SHARE = 0.125  # of the tokens: below it noise for each is cheaper than for all


class Streams(NamedTuple):
    """Which noise each row draws, [num_rows] each."""

    seeds: Words
    choice_indices: Words
    positions: Words

    def of(self, rows: TokenArray | slice) -> Streams:
        return Streams(self.seeds[rows], self.choice_indices[rows], self.positions[rows])


def choose(values: FloatArray, floors: FloatArray, streams: Streams) -> TokenArray:
    """One token a row of `values` [num_rows, vocab_size], which are 0 at most and there in each.

    Tokens below their row's `floors` [num_rows] are left out.
    """
    is_open = values >= np.maximum(floors, -NOISE_RANGE)[:, None]
    if np.count_nonzero(is_open) < SPARSE_SHARE * values.size:
        found = np.flatnonzero(is_open)
        rows, token_ids = np.divmod(found, values.shape[1])
        return choose_of(Candidates(rows, token_ids, values.reshape(-1)[found]), streams)
    return _choose_of_all(values, is_open, streams)


def choose_of(candidates: Candidates, streams: Streams) -> TokenArray:
    """One token a row out of `candidates`, for as many rows as there are streams."""
    rows, token_ids, values = candidates
    scores = values + _noise_of_tokens(token_ids, streams.of(rows))
    best = np.full(len(streams.seeds), -np.inf, np.float32)
    np.maximum.at(best, rows, scores)
    won = scores == best[rows]
    winners = np.full(len(best), np.iinfo(np.int64).max)
    np.minimum.at(winners, rows[won], token_ids[won])
    return winners


def noise_from_bits(bits: Bits) -> FloatArray:
    """Gumbel noise from words of 32 random bits."""
    u = bits.astype(np.float32)
    u *= np.float32(2.0**-32)
    u += np.float32(2.0**-33)
    np.minimum(u, LARGEST_U, out=u)
    np.negative(u, out=u)
    np.log1p(u, out=u)
    np.negative(u, out=u)
    np.log(u, out=u)
    return np.negative(u, out=u)


def _choose_of_all(values: FloatArray, is_open: Mask, streams: Streams) -> TokenArray:
    """Slices of rows, each slice of tokens, so that what is worked on stays in a core's cache."""
    scores = np.where(is_open, values, np.float32(-np.inf))
    num_rows, vocab_size = values.shape
    num_calls = -(-vocab_size // TOKENS_PER_CALL)
    size = max(1, CALLS_PER_SLICE // num_calls)
    for rows in (slice(start, start + size) for start in range(0, num_rows, size)):
        for first in range(0, num_calls, CALLS_PER_SLICE):
            calls = np.arange(first, min(first + CALLS_PER_SLICE, num_calls), dtype=np.uint64)
            part = scores[rows, first * TOKENS_PER_CALL :][:, : TOKENS_PER_CALL * len(calls)]
            part += _noise_of_calls(calls, streams.of(rows))[:, : part.shape[1]]
    winners: TokenArray = scores.argmax(axis=1)
    return winners


def _noise_of_calls(calls: Words, streams: Streams) -> FloatArray:
    """The noise of all tokens of `calls` in every stream: [num_streams, num_tokens]."""
    columns = Streams(*(column[:, None] for column in streams))
    bits = np.stack(_bits(calls, columns), axis=2, dtype=np.uint32, casting="same_kind")
    return noise_from_bits(bits).reshape(len(bits), -1)


def _noise_of_tokens(token_ids: TokenArray, streams: Streams) -> FloatArray:
    """The noise of single tokens, each of its own stream."""
    calls, lanes = np.divmod(token_ids, TOKENS_PER_CALL)
    bits = np.stack(_bits(calls.astype(np.uint64), streams))[lanes, np.arange(len(lanes))]
    return noise_from_bits(bits.astype(np.uint32))


def _bits(calls: Words, streams: Streams) -> Counter:
    zero = np.zeros(1, np.uint64)
    key: Key = split_words(streams.seeds)
    return philox4x32(Counter(calls, streams.positions, streams.choice_indices, zero), key)
