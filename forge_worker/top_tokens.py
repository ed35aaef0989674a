"""The largest values of each row and where they stand, by partition instead of a full sort.

Order is total: larger first, equal values by the lower token id, so the same row always gives the
same answer, whatever else is in the batch. Knows nothing of probabilities.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.forward_inputs import FloatArray

TokenArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Tokens(NamedTuple):
    """Some tokens of some rows, one element each, by row and then by token id."""

    rows: TokenArray
    token_ids: TokenArray


class TopTokens(NamedTuple):
    values: FloatArray  # [num_rows, count], falling
    token_ids: TokenArray  # [num_rows, count]


def top_tokens(values: FloatArray, count: int) -> TopTokens:
    """The `count` largest of each row of `values` [num_rows, vocab_size], free of NaN."""
    count = min(count, values.shape[1])
    smallest = top_values(values, count)[:, -1]
    largest = largest_tokens(values, np.full(len(values), count), smallest)
    token_ids = largest.token_ids.reshape(-1, count)
    found = np.take_along_axis(values, token_ids, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    return TopTokens(
        np.take_along_axis(found, order, axis=1), np.take_along_axis(token_ids, order, axis=1)
    )


def top_values(values: FloatArray, count: int) -> FloatArray:
    """The `count` largest of each row, falling: [num_rows, count]."""
    top = _largest(values, count)
    top.sort(axis=1)
    return top[:, ::-1]


def _largest(values: FloatArray, count: int) -> FloatArray:
    """In no order."""
    if values.min(initial=0) > -np.inf:
        return _partitioned(values, count)
    largest = np.full((len(values), count), -np.inf, values.dtype)
    for row, found in zip(values, largest, strict=True):
        left = _without_most(row)
        num_left = min(len(left), count)
        found[:num_left] = _partitioned(left, num_left)
    return largest


def _without_most(row: FloatArray) -> FloatArray:
    """The row without -inf where that is the most of it: a partition is slow among equals."""
    is_left = row > -np.inf
    if 2 * np.count_nonzero(is_left) > len(row):
        return row
    return row[np.flatnonzero(is_left)]


def _partitioned(values: FloatArray, count: int) -> FloatArray:
    """The `count` largest along the last axis."""
    start = values.shape[-1] - count
    if not start or not count:
        return values[..., start:].copy()
    return np.partition(values, start, axis=-1)[..., start:]


def largest_tokens(values: FloatArray, counts: TokenArray, smallest: FloatArray) -> Tokens:
    """Of each row the `counts` largest, given the `smallest` value among them."""
    found = np.flatnonzero(values >= smallest[:, None])
    rows, token_ids = np.divmod(found, values.shape[1])
    if len(found) > counts.sum():
        is_tied = values.reshape(-1)[found] == smallest[rows]
        num_tied = counts - np.bincount(rows[~is_tied], minlength=len(values))
        is_kept = ~is_tied | (_rank_in_row(is_tied, rows, len(values)) < num_tied[rows])
        rows, token_ids = rows[is_kept], token_ids[is_kept]
    return Tokens(rows, token_ids)


def _rank_in_row(chosen: Mask, rows: TokenArray, num_rows: int) -> TokenArray:
    """How many `chosen` stand before each element in its own row; no row is empty."""
    before: TokenArray = np.cumsum(chosen) - chosen
    starts = np.searchsorted(rows, np.arange(num_rows))
    return before - before[starts][rows]
