"""A step's rows stand in the order in which they are sampled, and what is idle is of nobody."""

from __future__ import annotations

import numpy as np

from forge_common.protocol.scheduler_worker import RunBatch, ScheduledSequence
from forge_worker.cuda.attention_plan import AttentionWork
from forge_worker.cuda.device_step import StepShape
from forge_worker.cuda.pending_step import PendingStep, pending_step
from forge_worker.cuda.step_layout import header_of, padded_work, shape_of
from tests.worker.fakes import LIMITS, host_mirror, new_sequence

NO_WORK = AttentionWork(np.zeros(0, np.int32), np.zeros((0, 2), np.int32))


def drafted() -> PendingStep:
    """A chunk of three tokens that is not finished, and one token with two drafts behind it."""
    mirror = host_mirror(LIMITS._replace(max_draft_tokens=3))
    new = [new_sequence(1, [5, 6, 7, 8]), new_sequence(2, [5, 6, 7])]
    parts = [
        ScheduledSequence(1, 0, 3, [0], False),
        ScheduledSequence(2, 2, 3, [1, 2], True, [7, 8]),
    ]
    batch = RunBatch(0, [], new, parts)
    return pending_step(batch, mirror.apply(batch), mirror)


def test_every_place_behind_a_draft_is_a_row_and_unfinished_chunks_follow() -> None:
    pending = drafted()
    header = header_of(pending, NO_WORK)
    row = int(pending.scheduled.rows[1])
    assert header.counts.tolist() == [6, 2, 3, 0]
    assert header.logit_rows.tolist() == [3, 4, 5, 2]
    assert header.sample_rows.tolist() == [row] * 3
    assert header.sample_lens.tolist() == [3, 4, 5]
    assert header.sample_assumed.tolist() == [0, 1, 2]
    assert shape_of(pending, NO_WORK).num_logits == 4
    assert not pending.only_samples


def test_idle_work_is_of_a_sequence_that_is_not_live() -> None:
    work = AttentionWork(np.array([1], np.int32), np.array([[0, 0]], np.int32))
    padded = padded_work(work, StepShape(4, 3, 4, 3, 4), num_sequences=2)
    assert padded.singles.tolist() == [1, 2, 2]
    assert padded.tiles.tolist() == [[0, 0], [2, 2], [2, 2], [2, 2]]
