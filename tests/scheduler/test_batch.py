from __future__ import annotations

from contextlib import nullcontext

import pytest

from forge_common.errors import WorkerError
from forge_common.protocol.message import Failure
from forge_common.protocol.scheduler_worker import BatchOutput, SampledSequence, ScheduledSequence
from forge_scheduler.batch import Batch, num_computed_tokens
from tests.builders import make_sequence


def test_sequence_added_in_chunks_samples_with_the_last() -> None:
    batch, sequence = Batch(0, token_budget=10), make_sequence(6)
    batch.add(sequence, 4, [8])
    batch.add(sequence, 2, [9])
    assert batch.scheduled == [
        ScheduledSequence(0, 0, 4, [8], False),
        ScheduledSequence(0, 4, 2, [9], True),
    ]
    assert batch.token_budget == 4


def test_new_sequence_is_described_in_full() -> None:
    batch, sequence = Batch(0, 10), make_sequence([5, 6], sequence_id=3)
    sequence.token_ids.append(7)
    batch.introduce(sequence, is_speculative=True)
    [new] = batch.to_run_batch().new
    assert (new.sequence_id, new.token_ids, new.num_prompt_tokens) == (3, [5, 6, 7], 2)


def test_description_does_not_change_after_it_was_made() -> None:
    batch, sequence = Batch(0, 10), make_sequence([5, 6])
    batch.introduce(sequence, is_speculative=True)
    sequence.token_ids.append(7)
    assert batch.new[0].token_ids == [5, 6]


def test_fitting_answer_is_accepted() -> None:
    batch = Batch(0, 10)
    batch.add(make_sequence(6), 6, [])
    batch.check_answer(BatchOutput(0, [SampledSequence(0, [7])], 0.0), vocab_size=100)


def test_answer_of_a_failed_sequence_needs_no_token() -> None:
    batch = Batch(0, 10)
    batch.add(make_sequence(6), 6, [])
    batch.check_answer(BatchOutput(0, [SampledSequence(0, [], error=Failure("broken"))], 0.0), 100)


def test_token_out_of_a_chunk_is_an_error() -> None:
    batch = Batch(0, 10)
    batch.add(make_sequence(6), 5, [])
    with pytest.raises(WorkerError):
        batch.check_answer(BatchOutput(0, [SampledSequence(0, [7])], 0.0), 100)


def test_void_step_leaves_no_token_pending() -> None:
    batch, sequence = Batch(0, token_budget=10), make_sequence(6)
    batch.add(sequence, 4, [8])
    batch.add(sequence, 2, [9])
    batch.void()
    assert (sequence.num_steps_in_flight, sequence.num_pending_tokens) == (0, 0)


DRAFTED = ScheduledSequence(0, 3, 4, [], True, [5, 6, 7])


def drafted_batch() -> Batch:
    batch, sequence = Batch(0, token_budget=10), make_sequence(4)
    sequence.advance(3)
    batch.add(sequence, 1, [], [5, 6, 7])
    return batch


def test_drafts_run_behind_the_last_token_and_spend_the_budget() -> None:
    batch = drafted_batch()
    assert batch.scheduled == [DRAFTED]
    assert (batch.token_budget, batch.num_draft_tokens) == (6, 3)


@pytest.mark.parametrize("token_ids", [[9], [5, 9], [5, 6, 9], [5, 6, 7, 9], [5, 6]])
def test_accepted_drafts_and_one_token_are_an_answer(token_ids: list[int]) -> None:
    drafted_batch().check_answer(BatchOutput(0, [SampledSequence(0, token_ids)], 0.0), 100)


@pytest.mark.parametrize(
    "sampled",
    [
        pytest.param(SampledSequence(0, []), id="no token"),
        pytest.param(SampledSequence(0, [5, 6, 7, 8, 9]), id="too many tokens"),
        pytest.param(SampledSequence(0, [5, 8, 7]), id="goes on after a rejected draft"),
        pytest.param(SampledSequence(0, [5, 100]), id="no such token"),
        pytest.param(SampledSequence(0, [5, 9], []), id="no logprobs"),
    ],
)
def test_other_answers_to_drafts_are_refused(sampled: SampledSequence) -> None:
    with pytest.raises(WorkerError):
        drafted_batch().check_answer(BatchOutput(0, [sampled], 0.0), vocab_size=100)


@pytest.mark.parametrize(("token_ids", "expected"), [([9], 4), ([5, 6, 9], 6), ([5, 6, 7, 9], 7)])
def test_rejected_drafts_are_not_computed(token_ids: list[int], expected: int) -> None:
    assert num_computed_tokens(DRAFTED, SampledSequence(0, token_ids)) == expected


def test_foretold_tokens_must_be_in_the_vocabulary() -> None:
    for token_id, is_known in ((99, True), (100, False)):
        answer = BatchOutput(0, [SampledSequence(0, [5], forced_token_ids=[7, token_id])], 0.0)
        with nullcontext() if is_known else pytest.raises(WorkerError, match="foretold"):
            drafted_batch().check_answer(answer, vocab_size=100)
