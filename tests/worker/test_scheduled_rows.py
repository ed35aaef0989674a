"""What a message says of a step, as arrays."""

from __future__ import annotations

import numpy as np

from forge_common.protocol.scheduler_worker import ScheduledSequence
from forge_worker.scheduled_rows import ScheduledRows

PREFILL = ScheduledSequence(1, 0, 8, [0], is_sampling=False)
DRAFTED = ScheduledSequence(2, 4, 3, [], is_sampling=True, draft_token_ids=[5, 6])


def test_each_sequence_stands_at_its_place() -> None:
    rows = ScheduledRows.of([PREFILL, DRAFTED], [3, 0], max_model_len=100)
    assert rows.rows.tolist() == [3, 0]
    assert rows.context_lens.tolist() == [8, 7]
    assert rows.is_sampling.tolist() == [False, True]
    assert rows.num_draft_tokens.tolist() == [0, 2]
    assert rows.draft_token_ids.tolist() == [5, 6]


def test_counts_past_all_bounds_stay_wrong_and_fit_their_arrays() -> None:
    boundless = ScheduledSequence(1, 2**60, 2**60, [], is_sampling=True)
    rows = ScheduledRows.of([boundless], [0], max_model_len=100)
    assert rows.context_lens.tolist() == [201]


def test_without_drafts_a_step_ends_where_they_began() -> None:
    rows = ScheduledRows.of([DRAFTED], [0], max_model_len=100).without_drafts()
    assert rows.num_scheduled_tokens.tolist() == [1]
    assert not len(rows.draft_token_ids)


def test_of_drafts_only_the_first_may_be_kept() -> None:
    other = ScheduledSequence(3, 6, 4, [], is_sampling=True, draft_token_ids=[7, 8, 9])
    rows = ScheduledRows.of([DRAFTED, PREFILL, other], [0, 1, 2], max_model_len=100)
    assert rows.num_known_tokens.tolist() == [5, 8, 7]
    assert [rows.drafts_of(owner).tolist() for owner in range(3)] == [[5, 6], [], [7, 8, 9]]
    kept = rows.keeping_drafts(np.array([1, 0, 2], np.int32))
    assert kept.draft_token_ids.tolist() == [5, 7, 8]
    assert kept.num_scheduled_tokens.tolist() == [2, 8, 3]
    assert kept.num_known_tokens.tolist() == [5, 8, 7]
