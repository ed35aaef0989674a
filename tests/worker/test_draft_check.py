"""Which sequences go on, position by position."""

from __future__ import annotations

import numpy as np

from forge_common.protocol.scheduler_worker import RunBatch, ScheduledSequence
from forge_worker.batch_inputs import BatchInputs, build_inputs
from forge_worker.draft_check import DraftCheck
from forge_worker.scheduled_rows import ScheduledRows
from tests.worker.fakes import LIMITS, host_mirror, new_sequence

PROMPT = [5, 6, 7, 8, 9]


def mixed_step() -> tuple[ScheduledRows, BatchInputs]:
    """Two drafts, a chunk, no drafts, one draft."""
    mirror = host_mirror(LIMITS._replace(max_draft_tokens=4))
    parts = [
        ScheduledSequence(1, 4, 3, [0, 1], True, [11, 12]),
        ScheduledSequence(2, 0, 3, [2, 3], False),
        ScheduledSequence(3, 4, 1, [4, 5], True),
        ScheduledSequence(4, 0, 6, [6, 7], True, [13]),
    ]
    new = [new_sequence(number, PROMPT) for number in (1, 2, 3, 4)]
    scheduled = mirror.apply(RunBatch(0, [], new, parts))
    return scheduled, build_inputs(mirror, scheduled, np.zeros(4, np.bool_))


def test_every_draft_has_its_place_and_its_logits() -> None:
    _, inputs = mixed_step()
    assert inputs.forward.token_ids.tolist() == [9, 11, 12, 5, 6, 7, 9, *PROMPT, 13]
    assert inputs.forward.positions.tolist() == [4, 5, 6, 0, 1, 2, 4, 0, 1, 2, 3, 4, 5]
    assert inputs.sampled_starts.tolist() == [0, 3, 4, 6]
    assert inputs.forward.logit_rows.tolist() == [0, 1, 2, 6, 11, 12, 5]


def test_at_first_all_that_sample_go_on() -> None:
    check = DraftCheck(*mixed_step())
    assert check.is_first
    assert check.owners.tolist() == [0, 2, 3]
    assert check.positions.tolist() == [5, 5, 5]
    assert check.logit_places.tolist() == [0, 3, 4]


def test_those_go_on_whose_draft_was_drawn() -> None:
    check = DraftCheck(*mixed_step())
    check.advance(np.array([11, 11, 13]))
    assert check.owners.tolist() == [0, 3]
    assert check.positions.tolist() == [6, 6]
    assert check.logit_places.tolist() == [1, 5]
    check.advance(np.array([12, 13]))
    assert (check.owners.tolist(), check.logit_places.tolist()) == ([0], [2])
    check.advance(np.array([12]))
    assert len(check.owners) == 0


def test_a_wrong_draft_ends_it() -> None:
    check = DraftCheck(*mixed_step())
    check.advance(np.array([12, 0, 11]))
    assert len(check.owners) == 0


def test_the_dropped_do_not_go_on() -> None:
    check = DraftCheck(*mixed_step())
    check.advance(np.array([11, 0, 13]))
    check.drop([0])
    assert check.owners.tolist() == [3]
    assert check.logit_places.tolist() == [5]
