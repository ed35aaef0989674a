"""When drafts are worth their cost, by the stated rule."""

from __future__ import annotations

import pytest

from forge_common.protocol.api_scheduler import Submit
from forge_common.protocol.scheduler_worker import SampledSequence
from forge_scheduler.drafter import MAX_RATE
from forge_scheduler.foretold import PRIOR_RATE
from forge_scheduler.sequence import Sequence
from forge_scheduler.speculation import (
    MAX_RUNNING,
    MODEL_RATE_WEIGHT,
    ForcedCounts,
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
    wants = [request.is_speculative for request in scheduler._reception.requests.values()]
    assert wants == [True, False]


def test_beyond_so_many_sequences_nothing_can_be_gained_and_nothing_is_read() -> None:
    assert best_length(repeated(MAX_RATE, 64), StepLoad(MAX_RUNNING, 0)) > 0
    assert best_length(repeated(MAX_RATE, 64), StepLoad(MAX_RUNNING + 1, 0)) == 0
    sequence = copying()
    assert Speculation(15).draft(sequence, StepLoad(MAX_RUNNING + 1, 0), 99) == []
    assert sequence.drafter is None


def answer(came: list[int], *foretold: int) -> SampledSequence:
    return SampledSequence(0, came, forced_token_ids=list(foretold))


def forced(speculation: Speculation, token_ids: list[int], *foretold: int) -> Sequence:
    """A sequence whose worker foretold something with its last token."""
    sequence = make_sequence(token_ids[:-1], grammar=b"grammar")
    sequence.token_ids = list(token_ids)
    assert speculation.take_in(sequence, [], answer(token_ids[-1:], *foretold)) == (0, 0)
    return sequence


def test_what_is_foretold_is_drafted_where_nothing_is_repeated() -> None:
    speculation = Speculation(15)
    sequence = forced(speculation, [1, 2, 3], *range(50, 60))
    assert speculation.draft(sequence, ALONE, 99) == list(range(50, 60))
    assert speculation.draft(sequence, ALONE, 7) == list(range(50, 57))


def test_behind_what_is_foretold_goes_what_followed_it_before() -> None:
    speculation = Speculation(15)
    sequence = forced(speculation, [*range(100, 140), 1, 2, 3], *range(110, 116))
    drafts = speculation.draft(sequence, ALONE, 99)
    assert drafts == list(range(110, 110 + len(drafts)))
    assert len(drafts) > 6


def test_a_single_foretold_token_is_not_worth_a_wider_step() -> None:
    speculation = Speculation(15)
    assert speculation.draft(forced(speculation, [1, 2, 3], 50), ALONE, 99) == []


def test_a_sequence_with_a_grammar_sits_out_no_step_for_its_drafts() -> None:
    """It waits for each of its tokens anyway: so less is enough."""
    load = StepLoad(num_running=8, num_draft_tokens=8)
    assert best_length(Guess([5], [0.9], sits_out=False), load) == 1
    assert best_length(Guess([5], [0.9]), load) == 0


def test_what_never_comes_is_soon_not_drafted_and_then_again_once_it_comes() -> None:
    speculation = Speculation(15)
    sequence = forced(speculation, [1, 2, 3], *range(50, 60))
    for _ in range(8):
        speculation.take_in(sequence, [], answer([7], *range(50, 60)))
    assert speculation.draft(sequence, ALONE, 99) == []
    for _ in range(16):
        speculation.take_in(sequence, [], answer([50], *range(50, 60)))
    assert speculation.draft(sequence, ALONE, 99) == list(range(50, 60))


def test_a_new_sequence_begins_with_the_rate_of_its_model() -> None:
    speculation = Speculation(15)
    for _ in range(300):
        sequence = forced(speculation, [1, 2, 3], *range(50, 60))
        speculation.take_in(sequence, [], answer([7]))
    late = forced(speculation, [1, 2, 3], *range(50, 60))
    assert late.foretold is not None
    assert late.foretold.rate == pytest.approx(PRIOR_RATE * (1 - MODEL_RATE_WEIGHT) ** 300)
    assert speculation.draft(late, ALONE, 99) == []


def test_what_is_repeated_goes_first_once_it_is_the_surer_guess() -> None:
    speculation = Speculation(15)
    sequence = copying(grammar=b"grammar")
    speculation.take_in(sequence, [], answer(COPY[-1:], *range(50, 60)))
    assert sequence.foretold is not None
    assert speculation.draft(sequence, ALONE, 99)[0] == 130, "a match of thirty tokens"
    sequence.foretold.rate = MAX_RATE
    assert speculation.draft(sequence, ALONE, 99)[0] == 50


def test_nothing_foretold_is_drafted_where_drafts_are_off() -> None:
    speculation = Speculation(15)
    sequence = forced(speculation, [1, 2, 3], *range(50, 60))
    sequence.request.is_speculative = False
    assert speculation.draft(sequence, ALONE, 99) == []
    off = Speculation(0)
    assert off.draft(forced(off, [1, 2, 3], *range(50, 60)), ALONE, 99) == []


def test_a_worker_is_told_of_whom_there_will_be_drafts() -> None:
    for most, is_speculative in ((0, True), (15, False), (15, True)):
        scheduler = make_scheduler(max_draft_tokens=most)
        sampling = make_submit("a").sampling
        scheduler.submit(b"c", Submit("a", [1], sampling, is_speculative=is_speculative))
        batch = scheduler.schedule()
        assert batch is not None
        assert [new.is_speculative for new in batch.new] == [most > 0 and is_speculative]


def test_drafts_that_were_foretold_are_counted_apart() -> None:
    speculation = Speculation(15)

    def counts(drafted: list[int], came: list[int]) -> ForcedCounts:
        sequence = forced(speculation, [1, 2, 3], 50, 51, 52)
        return speculation.take_in(sequence, drafted, answer(came))

    assert counts([50, 51, 52, 60, 61], [50, 51, 9]) == (3, 2)
    assert counts([50, 51, 52, 60], [50, 51, 52, 60, 7]) == (3, 3)
    assert counts([50], [50, 51]) == (1, 1)
    assert counts([], [50]) == (0, 0)
    assert counts([60, 61], [60, 9]) == (0, 0)


class Eager(Speculation):
    """Drafts whatever it may."""

    def draft(self, sequence: Sequence, load: StepLoad, max_tokens: int) -> list[int]:
        most = min(max_tokens, self.max_draft_tokens, sequence.max_draft_tokens)
        return [7] * max(most, 0)


@pytest.mark.parametrize(("max_batch_size", "num_rows"), [(8, 65), (80, 80)])
def test_a_step_has_no_more_rows_than_the_largest_batch_or_a_lone_sequence(
    max_batch_size: int, num_rows: int
) -> None:
    """Whose drafts a worker has room for; of those that run, none is left out for them."""
    scheduler = make_scheduler(256, max_batch_size=max_batch_size, max_prefill_tokens=999)
    scheduler._admission.speculation = Eager(20)
    for number in range(8):
        scheduler.submit(b"c", make_submit(str(number), [number], max_tokens=60))
    assert scheduler.schedule() is not None
    batch = scheduler.schedule()
    assert batch is not None
    assert len(batch.scheduled) == 8
    assert batch.num_tokens == num_rows
