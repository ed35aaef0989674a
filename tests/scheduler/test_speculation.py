"""When drafts are worth their cost, by the stated rule."""

from __future__ import annotations

import pytest

from forge_common.protocol.api_scheduler import Submit
from forge_scheduler.drafter import MAX_RATE
from forge_scheduler.sequence import Sequence
from forge_scheduler.speculation import (
    MAX_RUNNING,
    Guess,
    Speculation,
    StepLoad,
    best_length,
    step_cost,
)
from tests.builders import make_scheduler, make_sequence, make_submit

ALONE = StepLoad(num_running=1, num_draft_tokens=0)
COPY = [*range(100, 140), *range(100, 130)]


def repeated(rate: float, num_tokens: int = 15, num_pending: int = 0) -> Guess:
    return Guess([7] * num_tokens, [rate] * num_tokens, rate**num_pending)


def copying(**options: object) -> Sequence:
    """It has begun to repeat its prompt."""
    sequence = make_sequence(COPY[:40], **options)
    sequence.token_ids = list(COPY)
    return sequence


def test_costs_are_the_measured_ones() -> None:
    assert step_cost(1) == 1
    assert step_cost(2) == pytest.approx(2.61)
    assert step_cost(16) == pytest.approx(4.08)


@pytest.mark.parametrize(
    ("rate", "length"), [(0.5, 0), (0.7, 0), (0.8, 10), (0.85, 13), (0.95, 15), (0.98, 15)]
)
def test_a_sequence_alone_drafts_much_or_nothing(rate: float, length: int) -> None:
    """The first further token costs more than one and a half steps, the next ones a tenth."""
    assert best_length(repeated(rate), ALONE) == length


@pytest.mark.parametrize(
    ("num_running", "length"), [(1, 15), (4, 15), (8, 12), (16, 8), (32, 0), (256, 0)]
)
def test_the_more_sequences_run_the_fewer_drafts(num_running: int, length: int) -> None:
    assert best_length(repeated(0.9), StepLoad(num_running, 0)) == length


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.98])
def test_a_step_bound_by_arithmetic_has_no_drafts(rate: float) -> None:
    assert best_length(repeated(rate, 64), StepLoad(4096, 0)) == 0


def test_a_draft_gains_only_if_the_pending_token_is_the_guessed_one() -> None:
    assert best_length(repeated(0.75), ALONE) == 7
    assert best_length(repeated(0.75, num_pending=1), ALONE) == 0


def test_drafts_of_others_in_the_step_cost_the_same_and_are_no_reason_against_more() -> None:
    assert best_length(repeated(0.9), StepLoad(2, 15)) == best_length(repeated(0.9), StepLoad(2, 0))


def test_a_drafted_sequence_sits_out_a_step_which_others_do_not() -> None:
    """One token more is gained than that only if some are likely to be right."""
    assert best_length(repeated(0.5), StepLoad(2, 0)) == 0
    assert best_length(repeated(0.7), StepLoad(2, 0)) == 7


def test_a_copy_is_drafted() -> None:
    assert Speculation(15).draft(copying(), ALONE, 99) == list(range(130, 140)) + COPY[40:45]


@pytest.mark.parametrize(("most", "room"), [(8, 99), (15, 8)])
def test_limits_are_kept(most: int, room: int) -> None:
    assert Speculation(most).draft(copying(), ALONE, room) == list(range(130, 138))


def test_the_last_token_is_never_a_draft() -> None:
    sequence = copying(max_num_tokens=len(COPY) + 9)
    assert len(Speculation(15).draft(sequence, ALONE, 99)) == 8


def test_a_request_may_do_without() -> None:
    sequence = copying()
    sequence.request.is_speculative = False
    assert Speculation(15).draft(sequence, ALONE, 99) == []


def test_a_worker_that_takes_no_drafts_gets_none_and_nothing_is_read() -> None:
    sequence = copying()
    assert Speculation(0).draft(sequence, ALONE, 99) == []
    assert sequence.drafter is None


def test_a_submitted_request_says_whether_it_wants_drafts() -> None:
    scheduler = make_scheduler()
    plain = make_submit("a")
    scheduler.submit(b"c", plain)
    scheduler.submit(b"c", Submit("b", [1], plain.sampling, is_speculative=False))
    wants = [request.is_speculative for request in scheduler._requests.values()]
    assert wants == [True, False]


def test_beyond_so_many_sequences_nothing_can_be_gained_and_nothing_is_read() -> None:
    assert best_length(repeated(MAX_RATE, 64), StepLoad(MAX_RUNNING, 0)) > 0
    assert best_length(repeated(MAX_RATE, 64), StepLoad(MAX_RUNNING + 1, 0)) == 0
    sequence = copying()
    assert Speculation(15).draft(sequence, StepLoad(MAX_RUNNING + 1, 0), 99) == []
    assert sequence.drafter is None
