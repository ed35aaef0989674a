"""Sampler: one token for each row of logits, in slabs of rows that fit a core's cache.

Slabs are shared among threads, since NumPy leaves the interpreter lock while it computes.
A row whose logits are not finite, or whose every token is ruled out, fails alone. Knows nothing of
sequences beyond their row in the SamplingTable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np

from forge_common.errors import RequestErrorKind
from forge_common.protocol.message import Failure
from forge_worker.cpu.thread_pool import Scratch, ThreadPool
from forge_worker.forward_inputs import FloatArray, IntArray
from forge_worker.sampler.choice import Streams, choose, choose_of
from forge_worker.sampler.filters import filter_tokens, is_cut
from forge_worker.sampler.grammar_mask import MaskWords, forbidden_tokens
from forge_worker.sampler.logit_rules import RowRules, apply_rules
from forge_worker.sampler.table import SamplingTable
from forge_worker.top_tokens import TokenArray

VALUES_PER_SLAB = 2**17
MIN_THREADED_VALUES = 2**19  # below it, handing slabs to threads costs more than it saves

NOT_FINITE = Failure("the model's logits are not finite numbers")
ALL_RULED_OUT = Failure(
    "no token may be chosen: the request rules out every one",
    RequestErrorKind.INVALID,
    code="no_token_left",
)


class Draws(NamedTuple):
    """`errors` says by index why a row has no token; its `token_ids` entry is 0."""

    token_ids: TokenArray  # [num_rows]
    errors: dict[int, Failure]


class Wanted(NamedTuple):
    """Whose tokens are drawn: rows of the SamplingTable, and the places the tokens will take."""

    rows: IntArray  # [num_rows]
    positions: IntArray  # [num_rows], from 0 at the start of the prompt
    masks: Mapping[int, MaskWords] = MappingProxyType({})  # by row: which tokens its grammar allows


Pick = Callable[[FloatArray, Wanted], TokenArray]


class TokenSampler(Protocol):
    def sample(self, logits: FloatArray, wanted: Wanted) -> Draws:
        """`logits` [num_rows, vocab_size] are left as they are."""


MakeSampler = Callable[[SamplingTable], TokenSampler]


class Slab(NamedTuple):
    pick: Pick
    indices: TokenArray  # of the batch's rows


class Prepared(NamedTuple):
    values: FloatArray  # [num_rows, vocab_size], 0 everywhere where `best` is not finite
    best: FloatArray  # [num_rows], the largest logit after rules


class Sampler:
    def __init__(self, table: SamplingTable, num_threads: int = 1) -> None:
        self._table = table
        self._pool = ThreadPool(num_threads)
        self._caller_alone = ThreadPool(1)

    def sample(self, logits: FloatArray, wanted: Wanted) -> Draws:
        """`logits` [num_rows, vocab_size] are left as they are."""
        token_ids = np.zeros(len(logits), np.int64)
        best = np.zeros(len(logits), np.float32)

        def fill(slab: Slab, scratch: Scratch) -> None:
            indices = slab.indices
            chosen = Wanted(wanted.rows[indices], wanted.positions[indices], wanted.masks)
            prepared = self._prepare(logits[indices], chosen)
            best[indices] = prepared.best
            token_ids[indices] = slab.pick(prepared.values, chosen)

        pool = self._pool if logits.size >= MIN_THREADED_VALUES else self._caller_alone
        pool.run([partial(fill, slab) for slab in self._slabs(wanted.rows, logits.shape[1])])
        errors = errors_of(best)
        token_ids[list(errors)] = 0
        return Draws(token_ids, errors)

    def _slabs(self, rows: IntArray, vocab_size: int) -> Iterator[Slab]:
        """Rows that go the same way, a cacheful at a time."""
        is_greedy = self._table.temperature[rows] == 0
        is_filtered = is_cut(self._table.filters(rows), vocab_size) & ~is_greedy
        ways = [
            (self._pick_likeliest, is_greedy),
            (self._pick_filtered, is_filtered),
            (self._pick_of_all, ~is_greedy & ~is_filtered),
        ]
        size = max(1, VALUES_PER_SLAB // vocab_size)
        for pick, mask in ways:
            indices = np.flatnonzero(mask)
            for start in range(0, len(indices), size):
                yield Slab(pick, indices[start : start + size])

    def _prepare(self, values: FloatArray, chosen: Wanted) -> Prepared:
        """Apply rules and masks to `values`, in place, and move the best of each row to 0."""
        rows, rules = chosen.rows.tolist(), self._table.rules
        if rules:
            with_rules = [(i, row) for i, row in enumerate(rows) if row in rules]
            apply_rules(values, [RowRules(i, rules[row]) for i, row in with_rules])
        for index, row in enumerate(rows if chosen.masks else ()):
            if row in chosen.masks:
                forbidden = forbidden_tokens(chosen.masks[row], values.shape[1])
                np.copyto(values[index], -np.inf, where=forbidden)  # thrice as fast as an index
        best = values.max(axis=1)
        is_sound = np.isfinite(best)
        values[~is_sound] = 0
        values -= np.where(is_sound, best, 0)[:, None]
        return Prepared(values, best)

    def _pick_likeliest(self, values: FloatArray, chosen: Wanted) -> TokenArray:
        likeliest: TokenArray = values.argmax(axis=1)
        return likeliest

    def _pick_filtered(self, values: FloatArray, chosen: Wanted) -> TokenArray:
        values /= self._table.temperature[chosen.rows, None]
        candidates = filter_tokens(values, self._table.filters(chosen.rows))
        return choose_of(candidates, self._streams(chosen))

    def _pick_of_all(self, values: FloatArray, chosen: Wanted) -> TokenArray:
        values /= self._table.temperature[chosen.rows, None]
        floors = self._table.filters(chosen.rows).log_min_p
        return choose(values, floors, self._streams(chosen))

    def _streams(self, chosen: Wanted) -> Streams:
        table = self._table
        return Streams(
            table.seeds[chosen.rows],
            table.choice_indices[chosen.rows],
            chosen.positions.astype(np.uint64),
        )


def errors_of(best: FloatArray) -> dict[int, Failure]:
    """By index, of rows whose largest logits after rules are `best`."""
    if np.isfinite(best).all():
        return {}
    return {int(i): _error(float(best[i])) for i in np.flatnonzero(~np.isfinite(best))}


def _error(best: float) -> Failure:
    return ALL_RULED_OUT if best == -np.inf else NOT_FINITE
