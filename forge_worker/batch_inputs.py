"""RunBatch and the mirror, turned into ForwardInputs: index arithmetic over whole arrays.

No loop runs over sequences or tokens. Knows nothing of devices, weights or sampling.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_worker.forward_inputs import ForwardInputs, IntArray, SlotArray
from forge_worker.scheduled_rows import ScheduledRows
from forge_worker.sequence_mirror import SequenceMirror
from forge_worker.top_tokens import Mask


class BatchInputs(NamedTuple):
    """`forward.logit_rows` are those of prompt logprobs, those that sample, and other last ones.

    A sequence samples after its last known token and after each draft. Of other last rows no logits
    are wanted; they show whether a chunk is sound before others may share it.
    """

    forward: ForwardInputs
    scored_rows: IntArray  # of `forward.token_ids`: whose logits score the prompt token after them
    scored_of: IntArray  # [num_scored], the scheduled sequence of each
    sampling: IntArray  # the scheduled sequences that sample
    sampled_starts: IntArray  # [num_sampling + 1], where each one's begin among those that sample
    unfinished: IntArray  # the others


def build_inputs(
    mirror: SequenceMirror, scheduled: ScheduledRows, wants_prompt_logprobs: Mask
) -> BatchInputs:
    """`wants_prompt_logprobs` [num_scheduled]."""
    is_decode = scheduled.is_sampling.all() and (scheduled.num_scheduled_tokens == 1).all()
    if is_decode and not wants_prompt_logprobs.any():
        return _decode_inputs(mirror, scheduled)
    return _general_inputs(mirror, scheduled, wants_prompt_logprobs)


def _decode_inputs(mirror: SequenceMirror, scheduled: ScheduledRows) -> BatchInputs:
    """What `_general_inputs` makes of steps in which each sequence runs its last token and samples:
    most steps, and at small models and batches a part of their time that shows."""
    rows, positions = scheduled.rows, scheduled.num_computed_tokens
    starts = np.arange(len(rows) + 1, dtype=np.int32)
    everyone, nobody = starts[:-1], starts[:0]
    forward = ForwardInputs(
        token_ids=_token_ids(mirror, scheduled, rows, positions),
        positions=positions,
        slot_mapping=_slots(mirror, rows, positions),
        query_starts=starts,
        context_lens=scheduled.context_lens,
        block_tables=_block_tables(mirror, scheduled),
        logit_rows=everyone,
    )
    return BatchInputs(forward, nobody, nobody, everyone, starts, nobody)


def _general_inputs(
    mirror: SequenceMirror, scheduled: ScheduledRows, wants_prompt_logprobs: Mask
) -> BatchInputs:
    counts = scheduled.num_scheduled_tokens
    query_starts = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=query_starts[1:])
    owners = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    shifts = scheduled.num_computed_tokens - query_starts[:-1]
    positions = np.arange(len(owners), dtype=np.int32) + shifts[owners]
    rows = scheduled.rows[owners]
    sampling = np.flatnonzero(scheduled.is_sampling).astype(np.int32)
    unfinished = np.flatnonzero(~scheduled.is_sampling).astype(np.int32)
    is_scored = positions + 1 < mirror.num_prompt_tokens[rows]
    scored_rows = np.flatnonzero(is_scored & wants_prompt_logprobs[owners]).astype(np.int32)
    num_sampled = 1 + scheduled.num_draft_tokens[sampling]
    sampled_starts = np.zeros(len(sampling) + 1, np.int32)
    np.cumsum(num_sampled, out=sampled_starts[1:])
    first_sampled = query_starts[1:][sampling] - num_sampled - sampled_starts[:-1]
    sampled_rows = np.arange(sampled_starts[-1], dtype=np.int32)
    sampled_rows += np.repeat(first_sampled, num_sampled)
    forward = ForwardInputs(
        token_ids=_token_ids(mirror, scheduled, rows, positions),
        positions=positions,
        slot_mapping=_slots(mirror, rows, positions),
        query_starts=query_starts,
        context_lens=scheduled.context_lens,
        block_tables=_block_tables(mirror, scheduled),
        logit_rows=np.concatenate([scored_rows, sampled_rows, query_starts[1:][unfinished] - 1]),
    )
    return BatchInputs(
        forward, scored_rows, owners[scored_rows], sampling, sampled_starts, unfinished
    )


def _token_ids(
    mirror: SequenceMirror, scheduled: ScheduledRows, rows: IntArray, positions: IntArray
) -> IntArray:
    """Known tokens, and behind them the drafts, which the mirror does not keep."""
    if not len(scheduled.draft_token_ids):
        return mirror.token_ids.values[rows, positions]
    num_known = mirror.token_ids.lengths[rows]
    token_ids = mirror.token_ids.values[rows, np.minimum(positions, num_known - 1)]
    token_ids[positions >= num_known] = scheduled.draft_token_ids
    return token_ids


def _slots(mirror: SequenceMirror, rows: IntArray, positions: IntArray) -> SlotArray:
    places, offsets = np.divmod(positions, mirror.limits.block_size)
    block_ids = mirror.block_tables.values[rows, places].astype(np.int64)
    return block_ids * mirror.limits.block_size + offsets


def _block_tables(mirror: SequenceMirror, scheduled: ScheduledRows) -> IntArray:
    longest = int(scheduled.context_lens.max(initial=0))
    width = -(-longest // mirror.limits.block_size)
    return mirror.block_tables.values[scheduled.rows, :width]
