"""A sequence with drafts is sampled at several places of one step."""

from __future__ import annotations

import numpy as np

from forge_common.protocol.scheduler_worker import RunBatch, ScheduledSequence
from forge_worker.cuda.sampled_places import sampled_places
from tests.worker.fakes import LIMITS, host_mirror, new_sequence

DRAFTING = LIMITS._replace(max_draft_tokens=3)


def test_each_row_takes_the_drafts_before_it_for_right() -> None:
    mirror = host_mirror(DRAFTING)
    new = [new_sequence(number, [5, 6]) for number in (1, 2, 3)]
    parts = [
        ScheduledSequence(1, 0, 2, [0], True),
        ScheduledSequence(2, 0, 1, [1], False),
        ScheduledSequence(3, 0, 4, [2], True, [7, 8]),
    ]
    scheduled = mirror.apply(RunBatch(0, [], new, parts))
    places = sampled_places(mirror, scheduled, np.array([0, 2], np.int32))
    assert places.starts.tolist() == [0, 1, 4]
    assert places.owners.tolist() == [0, 2, 2, 2]
    assert places.assumed.tolist() == [0, 0, 1, 2]
    assert places.mask_rows.tolist() == scheduled.rows[[0, 2, 2, 2]].tolist()


def test_behind_drafts_a_grammar_has_masks_of_their_own() -> None:
    """They stand behind those of sequences, one for each draft of the step."""
    mirror = host_mirror(DRAFTING)
    new = [new_sequence(1, [5]), new_sequence(2, [5])]
    parts = [
        ScheduledSequence(1, 0, 2, [0], True, [9]),
        ScheduledSequence(2, 0, 3, [1], True, [7, 8]),
    ]
    scheduled = mirror.apply(RunBatch(0, [], new, parts))
    row = int(scheduled.rows[1])
    mirror.params[row] = new_sequence(2, [5], grammar=b"any").sampling
    places = sampled_places(mirror, scheduled, np.array([0, 1], np.int32))
    own = int(scheduled.rows[0])
    first = LIMITS.max_batch_size
    assert places.mask_rows.tolist() == [own, own, row, first + 1, first + 2]
