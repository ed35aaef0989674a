from __future__ import annotations

from forge_common.protocol.scheduler_worker import ScheduledSequence
from forge_scheduler.sequence import SequenceStatus
from tests.builders import make_sequence


def sampled(*drafts: int) -> ScheduledSequence:
    return ScheduledSequence(0, 0, 1 + len(drafts), [], True, list(drafts))


def test_prompt_runs_in_chunks_and_only_the_last_samples() -> None:
    sequence = make_sequence(10)
    assert sequence.num_tokens_to_run == 10
    assert not sequence.advance(6)
    assert sequence.num_tokens_to_run == 4
    assert sequence.advance(4)


def test_token_in_flight_counts_before_it_is_known() -> None:
    sequence = make_sequence(4)
    sequence.advance(4)
    assert sequence.num_pending_tokens == 1
    assert sequence.num_tokens_to_run == 1


def test_answered_token_takes_the_place_of_the_pending_one() -> None:
    sequence = make_sequence(4)
    sequence.advance(4)
    sequence.settle(sampled())
    sequence.token_ids.append(7)
    assert sequence.num_tokens == 5
    assert sequence.num_tokens_to_run == 1
    assert sequence.num_steps_in_flight == 0


def test_last_token_it_may_have_is_never_run() -> None:
    sequence = make_sequence(4, max_num_tokens=5)
    sequence.advance(4)
    assert sequence.num_tokens_to_run == 0


def test_nothing_runs_before_it_is_known_how_many_drafts_are_accepted() -> None:
    sequence = make_sequence(4)
    sequence.advance(4, num_draft_tokens=3)
    assert sequence.num_tokens_to_run == 0
    assert sequence.num_computed_tokens == 4


def test_accepted_drafts_are_computed() -> None:
    sequence = make_sequence(4)
    sequence.status = SequenceStatus.RUNNING
    sequence.advance(4, num_draft_tokens=3)
    sequence.settle(sampled(5, 6, 7), num_accepted_tokens=2)
    sequence.token_ids += [5, 6, 9]
    assert sequence.num_computed_tokens == 6
    assert sequence.num_tokens_to_run == 1


def test_drafts_of_a_preempted_sequence_have_no_kv() -> None:
    sequence = make_sequence(4)
    sequence.status = SequenceStatus.RUNNING
    sequence.advance(4, num_draft_tokens=3)
    sequence.forget_computation()
    sequence.status = SequenceStatus.PREEMPTED
    sequence.settle(sampled(5, 6, 7), num_accepted_tokens=2)
    assert sequence.num_computed_tokens == 0


def test_drafts_leave_a_place_for_the_token_after_them() -> None:
    assert make_sequence(4, max_num_tokens=10).max_draft_tokens == 5


def test_forgetting_computation_keeps_tokens_and_what_is_pending() -> None:
    sequence = make_sequence(4)
    sequence.block_table = [1]
    sequence.advance(4)
    sequence.forget_computation()
    assert sequence.block_table == []
    assert sequence.num_tokens_to_run == 5


def test_request_is_finished_when_every_choice_is() -> None:
    sequence = make_sequence(4)
    sequence.request.sequences = [sequence]
    assert not sequence.request.is_finished


def test_stop_tokens_are_eos_and_those_asked_for() -> None:
    request = make_sequence(4, stop_token_ids=(5,), eos_token_ids=(2,)).request
    assert request.stop_token_ids == {2, 5}


def test_trial_ends_where_the_last_worker_was_lost() -> None:
    sequence = make_sequence(10)
    assert not sequence.is_on_trial
    sequence.num_tokens_on_trial = 8
    sequence.has_computed(7)
    assert sequence.is_on_trial
    sequence.has_computed(8)
    assert not sequence.is_on_trial
