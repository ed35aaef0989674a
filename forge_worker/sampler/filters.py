"""top-k, top-p and min-p: which tokens of a row may still be chosen.

Each works on what the one before left, renormalised (as vLLM and HuggingFace do). top-k keeps
exactly k, of equal logits the lower token ids. top-p (Holtzman et al. 2019) keeps the smallest set
of the likeliest tokens whose mass reaches p, at least one. min-p keeps what is at least min_p times
as likely as the likeliest. No row is ever sorted whole: the likeliest few are found by partition,
and more only where their mass is short of top_p. Knows nothing of chance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_worker.forward_inputs import FloatArray
from forge_worker.sampler.table import DoubleArray, Filters
from forge_worker.top_tokens import Mask, TokenArray, TopTokens, top_tokens

FIRST_COUNT = 512  # tokens looked at for a row with top_p alone, before more are
GROWTH = 8


class Candidates(NamedTuple):
    """Tokens that may be chosen, one element each; every row has at least one."""

    rows: TokenArray
    token_ids: TokenArray
    values: FloatArray


def is_cut(filters: Filters, vocab_size: int) -> Mask:
    """Rows for which top-k or top-p may leave something out."""
    return (filters.top_k < vocab_size) | (filters.top_p < 1.0)


def filter_tokens(values: FloatArray, filters: Filters) -> Candidates:
    """`values` [num_rows, vocab_size] are logits over temperature, less the largest of their row.

    Every row is one that `is_cut`.
    """
    vocab_size = values.shape[1]
    masses = _whole_masses(values, filters)
    parts = []
    rows, count = np.arange(len(values)), _first_count(filters, vocab_size)
    while len(rows):
        chosen = filters.of(rows)
        top = top_tokens(values[rows] if len(rows) < len(values) else values, count)
        is_short, keep = _apply(top, chosen, masses[rows], count == vocab_size)
        parts.append(_flatten(top, keep & ~is_short[:, None], rows))
        rows, count = rows[is_short], min(GROWTH * count, vocab_size)
    return (
        parts[0] if len(parts) == 1 else Candidates(*map(np.concatenate, zip(*parts, strict=True)))
    )


def _whole_masses(values: FloatArray, filters: Filters) -> DoubleArray:
    """The mass of every row that top-k does not cut; 0 for the others."""
    masses = np.zeros(len(values), np.float64)
    uncut = np.flatnonzero(filters.top_k == values.shape[1])
    if len(uncut):
        masses[uncut] = np.exp(values[uncut]).astype(np.float64).sum(axis=1)
    return masses


def _first_count(filters: Filters, vocab_size: int) -> int:
    cut = filters.top_k[filters.top_k < vocab_size]
    largest = int(cut.max()) if len(cut) else 0
    first = FIRST_COUNT if len(cut) < len(filters.top_k) else 0
    return min(max(largest, first), vocab_size)


class Kept(NamedTuple):
    is_short: Mask  # rows whose looked-at tokens do not reach top_p
    keep: Mask


def _apply(top: TopTokens, filters: Filters, masses: DoubleArray, is_whole: bool) -> Kept:
    count = top.values.shape[1]
    reached = np.cumsum(np.exp(top.values), axis=1, dtype=np.float64)
    is_uncut = masses > 0
    last = np.minimum(filters.top_k, count) - 1
    total = np.where(is_uncut, masses, reached[np.arange(len(last)), last])
    wanted = filters.top_p * total
    is_short = is_uncut & (reached[:, -1] < wanted) & (not is_whole)
    mass_before = np.zeros_like(reached)
    mass_before[:, 1:] = reached[:, :-1]
    keep = np.arange(count) <= last[:, None]
    keep &= (mass_before < wanted[:, None]) | (filters.top_p == 1.0)[:, None]
    keep &= top.values > -np.inf
    keep &= top.values >= filters.log_min_p[:, None]
    return Kept(is_short, keep)


def _flatten(top: TopTokens, keep: Mask, rows: TokenArray) -> Candidates:
    return Candidates(rows[np.nonzero(keep)[0]], top.token_ids[keep], top.values[keep])
