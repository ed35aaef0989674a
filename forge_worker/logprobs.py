"""Logprobs of raw logits: the token that stands at a position, and the likeliest ones.

log softmax is taken in float64 after the largest logit is subtracted. Of equal logits the lower
token id stands first. Knows nothing of sampling, which changes logits; these are the model's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forge_common.protocol.message import PositionLogprobs, TokenLogprob
from forge_worker.forward_inputs import FloatArray
from forge_worker.top_tokens import TokenArray, TopTokens, top_tokens

VALUES_PER_SLICE = 2**18  # what is in float64 at a time


def position_logprobs(
    logits: FloatArray, chosen: TokenArray, num_top: Sequence[int]
) -> list[PositionLogprobs]:
    """One for each row of finite `logits` [num_rows, vocab_size], with `num_top[row]` likeliest."""
    step = max(1, VALUES_PER_SLICE // logits.shape[1])
    found: list[PositionLogprobs] = []
    for start in range(0, len(logits), step):
        part = slice(start, start + step)
        found += _of_slice(logits[part], chosen[part], num_top[part])
    return found


def _of_slice(
    logits: FloatArray, chosen: TokenArray, num_top: Sequence[int]
) -> list[PositionLogprobs]:
    best = logits.max(axis=1, keepdims=True)
    masses = np.exp(logits - best, dtype=np.float64).sum(axis=1, keepdims=True)
    log_totals = best + np.log(masses)
    count = max(num_top)
    top = top_tokens(logits, count) if count else _nothing(len(logits))
    top_logprobs = (top.values - log_totals).tolist()
    chosen_logprobs = (np.take_along_axis(logits, chosen[:, None], axis=1) - log_totals).tolist()
    return [
        PositionLogprobs(TokenLogprob(token_id, logprob), _pairs(ids, values, count))
        for token_id, (logprob,), ids, values, count in zip(
            chosen.tolist(),
            chosen_logprobs,
            top.token_ids.tolist(),
            top_logprobs,
            num_top,
            strict=True,
        )
    ]


def _nothing(num_rows: int) -> TopTokens:
    return TopTokens(np.zeros((num_rows, 0), np.float32), np.zeros((num_rows, 0), np.int64))


def _pairs(token_ids: list[int], logprobs: list[float], count: int) -> list[TokenLogprob]:
    return [TokenLogprob(*pair) for pair in zip(token_ids[:count], logprobs[:count], strict=True)]
