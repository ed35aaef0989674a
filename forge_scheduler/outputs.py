"""Outputs: what one step gave a sequence, as its client will read it.

Knows nothing of blocks, queues or why a sequence ended.
"""

from __future__ import annotations

from forge_common.protocol.api_scheduler import SequenceOutput
from forge_common.protocol.message import Failure
from forge_common.protocol.scheduler_worker import SampledSequence, ScheduledSequence
from forge_common.sampling import FinishReason
from forge_scheduler.sequence import Sequence
from forge_scheduler.stopping import accept_tokens

ClientOutputs = dict[bytes, list[SequenceOutput]]  # by client


def accept(sequence: Sequence, sampled: SampledSequence) -> SequenceOutput:
    """Append the sampled tokens, up to one that ends it, and say what the client gets of them."""
    num_known = len(sequence.token_ids)
    stop = accept_tokens(sequence, sampled.token_ids)
    token_ids = sequence.token_ids[num_known:]
    is_first = num_known == sequence.request.num_prompt_tokens
    return SequenceOutput(
        sequence.request.key.request_id,
        sequence.rank.choice_index,
        token_ids,
        stop.reason if stop else None,
        stop.token_id if stop else None,
        None,
        sequence.num_cached_tokens,
        sampled.logprobs and sampled.logprobs[: len(token_ids)],
        sequence.prompt_logprobs if is_first else None,
        sequence.queue_s if is_first else None,
    )


def last_words(sequence: Sequence, reason: FinishReason, error: Failure | None) -> SequenceOutput:
    """The end of a sequence that no token brought about."""
    return SequenceOutput(
        request_id=sequence.request.key.request_id,
        choice_index=sequence.choice_index,
        token_ids=[],
        finish_reason=reason,
        error=error,
        num_cached_tokens=sequence.num_cached_tokens,
    )


def keep_prompt_logprobs(
    sequence: Sequence, scheduled: ScheduledSequence, sampled: SampledSequence
) -> None:
    """Collect those of a chunk; a preempted sequence computes some again, to the same values."""
    if sampled.prompt_logprobs:
        if sequence.prompt_logprobs is None:
            sequence.prompt_logprobs = [None]  # nothing stands before the first token
        start = scheduled.num_computed_tokens + 1
        sequence.prompt_logprobs[start:] = sampled.prompt_logprobs
