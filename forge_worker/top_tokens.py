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


class TopTokens(NamedTuple):
    values: FloatArray  # [num_rows, count], falling
    token_ids: TokenArray  # [num_rows, count]


def top_tokens(values: FloatArray, count: int) -> TopTokens:
    """The `count` largest of each row of `values` [num_rows, vocab_size], free of NaN."""
    vocab_size = values.shape[1]
    if count >= vocab_size:
        token_ids = np.broadcast_to(np.arange(vocab_size), values.shape)
        return _in_order(values, token_ids)
    smallest = np.partition(values, vocab_size - count, axis=1)[:, vocab_size - count, None]
    token_ids = _ids_at_least(values, smallest, count)
    return _in_order(np.take_along_axis(values, token_ids, axis=1), token_ids)


def _ids_at_least(values: FloatArray, smallest: FloatArray, count: int) -> TokenArray:
    """Of each row `count` ids, rising: those above `smallest`, and the first equal ones."""
    found = np.flatnonzero(values >= smallest)
    rows, token_ids = np.divmod(found, values.shape[1])
    if len(found) > count * len(values):
        is_tied = values.reshape(-1)[found] == smallest[rows, 0]
        num_tied = count - np.bincount(rows[~is_tied], minlength=len(values))
        ranks = _rank_in_row(is_tied, rows, len(values))
        token_ids = token_ids[~is_tied | (ranks < num_tied[rows])]
    return token_ids.reshape(len(values), count)


def _rank_in_row(chosen: Mask, rows: TokenArray, num_rows: int) -> TokenArray:
    """How many `chosen` stand before each element in its own row."""
    before: TokenArray = np.cumsum(chosen) - chosen
    starts = np.searchsorted(rows, np.arange(num_rows))
    return before - before[starts][rows]


def _in_order(values: FloatArray, token_ids: TokenArray) -> TopTokens:
    order = np.argsort(-values, axis=1, kind="stable")
    return TopTokens(
        np.take_along_axis(values, order, axis=1), np.take_along_axis(token_ids, order, axis=1)
    )
