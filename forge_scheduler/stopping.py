"""Stopping: whether a token ends its sequence, by the rules that token ids alone can decide.

Knows nothing of stop strings (the API matches those in text and aborts), nor of queues or blocks.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_common.sampling import FinishReason
from forge_scheduler.sequence import Sequence


class Stop(NamedTuple):
    """How a sequence ends."""

    reason: FinishReason
    token_id: int | None  # the stop token that ended it


def find_stop(sequence: Sequence) -> Stop | None:
    """Judge the last token. A stop token counts once `min_tokens` others stand before it."""
    request = sequence.request
    token_id = sequence.token_ids[-1]
    min_tokens = request.sampling.min_tokens
    if token_id in request.stop_token_ids and sequence.num_output_tokens > min_tokens:
        return Stop(FinishReason.STOP, token_id)
    if len(sequence.token_ids) >= request.max_num_tokens:
        return Stop(FinishReason.LENGTH, None)
    return None


def accept_tokens(sequence: Sequence, token_ids: list[int]) -> Stop | None:
    """Append tokens up to the first that ends the sequence; those after it never were."""
    for token_id in token_ids:
        sequence.token_ids.append(token_id)
        stop = find_stop(sequence)
        if stop is not None:
            return stop
    return None
