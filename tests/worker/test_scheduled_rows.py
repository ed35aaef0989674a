"""What a message says of a step, as arrays."""

from __future__ import annotations

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
