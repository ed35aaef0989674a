"""How a step is laid out for the device: how wide its kernels are, and what its header says.

Knows indices, not tokens, and no device.
"""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.attention_plan import AttentionWork
from forge_worker.cuda.device_step import StepShape
from forge_worker.cuda.pending_step import PendingStep
from forge_worker.cuda.step_header import HeaderArrays


def shape_of(pending: PendingStep, work: AttentionWork) -> StepShape:
    num_last = pending.num_sampled + len(pending.unfinished)
    return StepShape(
        num_tokens=pending.num_tokens,
        num_sequences=len(pending.sequence_ids),
        num_logits=num_last + len(pending.scored.owners),
        num_singles=len(work.singles),
        num_tiles=len(work.tiles),
    )


def padded_work(work: AttentionWork, shape: StepShape, num_sequences: int) -> AttentionWork:
    """As wide as `shape`: what is idle is of a sequence beyond the `num_sequences` there are."""
    singles = np.full(shape.num_singles, num_sequences, np.int32)
    singles[: len(work.singles)] = work.singles
    tiles = np.full((shape.num_tiles, 2), num_sequences, np.int32)
    tiles[: len(work.tiles)] = work.tiles
    return AttentionWork(singles, tiles)


def header_of(pending: PendingStep, work: AttentionWork) -> HeaderArrays:
    scheduled, sampled = pending.scheduled, pending.sampled
    num_live = (pending.num_tokens, len(pending.sequence_ids), pending.num_sampled, 0)
    last_tokens = pending.query_starts[1:] - 1
    behind = (last_tokens - scheduled.num_draft_tokens)[sampled.owners] + sampled.assumed
    order = (behind, last_tokens[pending.unfinished], pending.scored.places)
    return HeaderArrays(
        counts=np.array(num_live, np.int32),
        sequence_rows=scheduled.rows,
        context_lens=scheduled.context_lens,
        query_starts=pending.query_starts,
        singles=work.singles,
        sample_rows=scheduled.rows[sampled.owners],
        sample_lens=scheduled.num_known_tokens[sampled.owners] + sampled.assumed,
        sample_assumed=sampled.assumed,
        sample_masks=sampled.mask_rows,
        sample_entries=pending.num_sampled_entries,
        logit_rows=np.concatenate(order),
        scored_tokens=pending.scored.token_ids,
        scored_entries=pending.scored.num_entries,
        tiles=work.tiles.reshape(-1),
    )
