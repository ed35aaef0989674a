"""Results in pinned memory become what the scheduler is told."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.arena import Arena
from forge_worker.cuda.pending_step import PendingStep, ScoredTokens
from forge_worker.cuda.sampled_places import SampledPlaces
from forge_worker.cuda.sampler import RowStatus
from forge_worker.cuda.step_answers import answer
from forge_worker.cuda.step_results import ResultLimits, Results, StepResults
from forge_worker.sampler.sampler import ALL_RULED_OUT, NOT_FINITE
from forge_worker.scheduled_rows import ScheduledRows
from tests.cuda_emulator import EmulatedDevice

NOTHING = np.zeros(0, np.int32)
NO_DRAFTS: list[list[int]] = []


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


@pytest.fixture
def results() -> Results:
    device = EmulatedDevice()
    limits = ResultLimits(max_rows=4, max_tokens=8)
    host = StepResults(device, Arena(device, 1 << 20), limits).allocate_host()
    host.tokens[:] = [50, 51, 52, 53]
    return host


def pending(
    num_sequences: int,
    sampling: np.ndarray | None = None,
    drafts: list[list[int]] = NO_DRAFTS,
    **changed: object,
) -> PendingStep:
    """`drafts`: of each sequence."""
    nothing: list[int | None] = [None] * num_sequences
    everyone = np.arange(num_sequences, dtype=np.int32)
    sampling = everyone if sampling is None else sampling
    counts = ints(*map(len, drafts or [[]] * num_sequences))
    token_ids = ints(*(token for some in drafts for token in some))
    starts = np.cumsum([0, *(counts[sampling] + 1)], dtype=np.int32)
    step = PendingStep(
        step_id=1,
        sequence_ids=list(range(100, 100 + num_sequences)),
        scheduled=ScheduledRows(everyone, everyone, everyone, everyone > 0, counts, token_ids),
        query_starts=np.arange(num_sequences + 1, dtype=np.int32),
        sampling=sampling,
        sampled=SampledPlaces(starts, NOTHING, NOTHING, NOTHING),
        unfinished=NOTHING,
        scored=ScoredTokens(NOTHING, NOTHING, NOTHING, NOTHING),
        errors=list(nothing),
        num_logprobs=nothing,
        num_prompt_logprobs=nothing,
    )
    return step._replace(**changed)


def test_tokens_go_to_those_that_sample(results: Results) -> None:
    found = answer(pending(3, sampling=ints(0, 2), unfinished=ints(1)), results)
    assert [sampled.sequence_id for sampled in found] == [100, 101, 102]
    assert [sampled.token_ids for sampled in found] == [[50], [], [51]]


def test_failed_rows_answer_with_their_reason_alone(results: Results) -> None:
    results.statuses[:2] = [RowStatus.ALL_RULED_OUT, RowStatus.SOUND]
    results.chunk_statuses[0] = RowStatus.NOT_FINITE
    step = pending(
        4, sampling=ints(0, 1), unfinished=ints(2, 3), errors=[None, None, None, "known before"]
    )
    found = answer(step, results)
    reasons = [ALL_RULED_OUT, None, NOT_FINITE, "known before"]
    assert [sampled.error for sampled in found] == reasons
    assert [sampled.token_ids for sampled in found] == [[], [51], [], []]


def test_logprobs_are_cut_to_what_was_asked(results: Results) -> None:
    scores = results.sampled.scores
    scores.chosen_logprobs[:2] = [-0.5, -0.25]
    scores.top_token_ids[1, :3] = [51, 9, 8]
    scores.top_logprobs[1, :3] = [-0.25, -2.0, -3.0]
    scores.top_counts[:2] = [0, 3]
    found = answer(pending(2, num_logprobs=[None, 2]), results)
    assert found[0].logprobs is None
    (entry,) = found[1].logprobs or []
    assert (entry.chosen.token_id, entry.chosen.logprob) == (51, -0.25)
    assert [(top.token_id, top.logprob) for top in entry.top] == [(51, -0.25), (9, -2.0)]


def test_prompt_logprobs_follow_their_owner(results: Results) -> None:
    scores = results.scored.scores
    scores.chosen_logprobs[:3] = [-1.0, -2.0, -3.0]
    scored = ScoredTokens(ints(0, 1, 2), ints(0, 0, 2), ints(7, 8, 9), ints(1, 1, 1))
    found = answer(pending(3, scored=scored, num_prompt_logprobs=[0, None, 0]), results)
    told = [
        None if one.prompt_logprobs is None else [e.chosen.logprob for e in one.prompt_logprobs]
        for one in found
    ]
    assert told == [[-1.0, -2.0], None, [-3.0]]


def test_unsound_prompt_row_fails_its_owner(results: Results) -> None:
    results.scored.scores.statuses[0] = RowStatus.NOT_FINITE
    scored = ScoredTokens(ints(0), ints(1), ints(7), ints(1))
    found = answer(pending(2, scored=scored, num_prompt_logprobs=[None, 0]), results)
    assert [sampled.error for sampled in found] == [None, NOT_FINITE]


def test_drafts_are_given_as_far_as_they_are_right_and_a_token_more(results: Results) -> None:
    found = answer(pending(2, drafts=[[50, 9], []]), results)
    assert [sampled.token_ids for sampled in found] == [[50, 51], [53]]
    found = answer(pending(2, drafts=[[], [51, 52]]), results)
    assert [sampled.token_ids for sampled in found] == [[50], [51, 52, 53]]
    found = answer(pending(2, drafts=[[8, 51], []]), results)
    assert [sampled.token_ids for sampled in found] == [[50], [53]]


def test_rows_behind_a_wrong_draft_say_nothing_of_the_sequence(results: Results) -> None:
    results.statuses[1:3] = [RowStatus.NOT_FINITE, RowStatus.ALL_RULED_OUT]
    (sampled,) = answer(pending(1, drafts=[[50, 51, 52]]), results)
    assert (sampled.token_ids, sampled.error, sampled.is_delayed) == ([50], None, False)


def test_first_row_that_has_no_token_left_fails_its_sequence_with_drafts_too(
    results: Results,
) -> None:
    results.statuses[0] = RowStatus.ALL_RULED_OUT
    found = answer(pending(2, drafts=[[0], []]), results)
    assert [sampled.error for sampled in found] == [ALL_RULED_OUT, None]


def test_sequence_that_its_drafts_may_have_spoilt_is_delayed(results: Results) -> None:
    results.statuses[:] = [RowStatus.NOT_FINITE, RowStatus.NOT_FINITE, RowStatus.SOUND, 0]
    found = answer(pending(3, drafts=[[50], [], []], num_logprobs=[0, None, None]), results)
    assert [sampled.is_delayed for sampled in found] == [True, False, False]
    assert [sampled.token_ids for sampled in found] == [[], [52], [53]]
    assert found[0].error is None
    assert not found[0].logprobs


def test_each_token_that_is_given_has_its_logprobs(results: Results) -> None:
    results.sampled.scores.chosen_logprobs[:4] = [-1.0, -2.0, -3.0, -4.0]
    found = answer(pending(2, drafts=[[50, 9], []], num_logprobs=[0, 0]), results)
    told = [[entry.chosen.logprob for entry in one.logprobs or []] for one in found]
    assert told == [[-1.0, -2.0], [-4.0]]
