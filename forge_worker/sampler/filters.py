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
from forge_worker.top_tokens import Mask, TokenArray, largest_tokens, top_values

FIRST_COUNT = 512  # tokens looked at for a row with top_p alone, before more are
GROWTH = 8


class Candidates(NamedTuple):
    """Tokens that may be chosen, one element each, by row; every row has at least one."""

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
    counts, smallest = np.ones(len(values), np.int64), np.zeros(len(values), np.float32)
    masses = _whole_masses(values, filters)
    rows, count = np.arange(len(values)), _first_count(filters, values.shape[1])
    while len(rows):
        top = top_values(values[rows] if len(rows) < len(values) else values, count)
        kept = _keep(top, filters.of(rows), masses[rows], count == values.shape[1])
        counts[rows] = kept.counts
        smallest[rows] = top[np.arange(len(top)), kept.counts - 1]
        rows, count = rows[kept.is_short], min(GROWTH * count, values.shape[1])
    left = largest_tokens(values, counts, smallest)
    return Candidates(left.rows, left.token_ids, values[left])


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
    counts: TokenArray  # how many of the likeliest tokens are left
    is_short: Mask  # rows whose looked-at tokens do not reach top_p


def _keep(top: FloatArray, filters: Filters, masses: DoubleArray, is_whole: bool) -> Kept:
    """`top` [num_rows, count] are the largest values of each row, falling."""
    count = top.shape[1]
    reached = np.cumsum(np.exp(top), axis=1, dtype=np.float64)
    is_uncut = masses > 0
    last = np.minimum(filters.top_k, count) - 1
    total = np.where(is_uncut, masses, reached[np.arange(len(last)), last])
    wanted = filters.top_p * total
    mass_before = np.zeros_like(reached)
    mass_before[:, 1:] = reached[:, :-1]
    keep = np.arange(count) <= last[:, None]
    keep &= (mass_before < wanted[:, None]) | (filters.top_p == 1.0)[:, None]
    keep &= (top > -np.inf) & (top >= filters.log_min_p[:, None])
    is_short = is_uncut & (reached[:, -1] < wanted) & (not is_whole)
    return Kept(np.count_nonzero(keep, axis=1), is_short)
