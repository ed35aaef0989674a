"""A worker that is lost costs time, never a token; a request that takes its workers along ends."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from forge_common.sampling import FinishReason
from tests.builders import make_submit
from tests.scheduler.audit import audit, audit_idle
from tests.scheduler.engine import CLIENT, Engine, run_all, scheduled_tokens, sent
from tests.scheduler.test_same_tokens import mixed_submits

MIXED = mixed_submits()


def lose_and_replace(engine: Engine, **sizes: int) -> None:
    engine.lose_worker()
    audit_idle(engine.scheduler)
    engine.replace_worker(**sizes)
    audit(engine.scheduler)


def queued(engine: Engine) -> None:
    """Before its first step."""


def sent_once(engine: Engine) -> None:
    engine.send()


def sent_twice(engine: Engine) -> None:
    engine.send()
    engine.send()


def answered(engine: Engine) -> None:
    engine.send()
    engine.receive()


def answered_with_one_ahead(engine: Engine) -> None:
    sent_twice(engine)
    engine.receive()


def in_the_middle(engine: Engine) -> None:
    for _ in range(6):
        if not engine.scheduler.is_empty:
            engine.step()
    engine.send()


MOMENTS = [queued, sent_once, sent_twice, answered, answered_with_one_ahead, in_the_middle]
REQUESTS = {
    "plain": make_submit(prompt=9, max_tokens=12),
    "long prompt in chunks": make_submit(prompt=40, max_tokens=5),
    "one token": make_submit(prompt=9, max_tokens=1),
    "choices": make_submit(prompt=17, max_tokens=12, num_choices=3),
    "prompt logprobs": make_submit(prompt=20, max_tokens=12, num_prompt_logprobs=0),
    "stop token": make_submit(prompt=9, max_tokens=40, eos_token_ids=tuple(range(10))),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("overlap", [1, 2, 3])
@pytest.mark.parametrize("max_draft_tokens", [0, 5])
def test_same_tokens_whenever_the_worker_is_lost(
    name: str, moment: Callable[[Engine], None], overlap: int, max_draft_tokens: int
) -> None:
    options: dict[str, Any] = {"max_prefill_tokens": 8, "max_steps_in_flight": overlap}
    expected = run_all([REQUESTS[name]], **options)
    engine = Engine(**options, max_draft_tokens=max_draft_tokens).submit(REQUESTS[name])
    moment(engine)
    lose_and_replace(engine)
    engine.run()
    assert engine.tokens == expected.tokens
    assert engine.ends == expected.ends
    assert prompt_logprobs(engine) == prompt_logprobs(expected)


def prompt_logprobs(engine: Engine) -> list[Any]:
    """With the output of each choice that carries them."""
    return [output.prompt_logprobs for output in engine.outputs if output.prompt_logprobs]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("max_draft_tokens", [0, 3])
def test_same_tokens_however_often_workers_are_lost(seed: int, max_draft_tokens: int) -> None:
    """But never before those who ran have come past the point where the last one was lost."""
    expected = run_all(MIXED)
    engine = Engine(24, max_prefill_tokens=9, max_draft_tokens=max_draft_tokens).submit(*MIXED)
    chance, num_lost = random.Random(seed), 0
    while not engine.scheduler.is_empty:
        if chance.random() < 0.5 or not engine.sent:
            engine.send()
        elif chance.random() < 0.5 and not anybody_on_trial(engine):
            lose_and_replace(engine)
            num_lost += 1
        elif engine.sent:
            engine.receive()
    assert engine.tokens == expected.tokens
    assert engine.ends == expected.ends
    assert num_lost > 3


def anybody_on_trial(engine: Engine) -> bool:
    requests = engine.scheduler._reception.requests.values()
    return any(sequence.is_on_trial for request in requests for sequence in request.sequences)


def test_what_was_answered_is_not_answered_again() -> None:
    engine = Engine().submit(make_submit(max_tokens=5))
    answered_with_one_ahead(engine)
    known = list(engine.tokens["r", 0])
    lose_and_replace(engine)
    assert sent(engine).new[0].token_ids == [0, 1, 2, 3, *known]


def test_lost_prefix_cache_is_not_believed_in() -> None:
    engine = run_all([make_submit("a", 17, max_tokens=1)])
    lose_and_replace(engine)
    engine.submit(make_submit("b", 17, max_tokens=1)).run()
    assert engine.outputs[-1].num_cached_tokens == 0


def test_prefix_cache_works_again_afterwards() -> None:
    engine = Engine().submit(make_submit("a", 17, max_tokens=9))
    engine.step()
    lose_and_replace(engine)
    engine.run().submit(make_submit("b", 17, max_tokens=1)).run()
    assert engine.outputs[-1].num_cached_tokens == 16


def test_next_worker_is_not_told_to_forget_what_it_never_knew() -> None:
    engine = Engine().submit(make_submit("a", max_tokens=9), make_submit("b", max_tokens=9))
    engine.step()
    engine.abort("a")
    lose_and_replace(engine)
    assert sent(engine).released == []


def test_aborted_while_there_is_no_worker() -> None:
    engine = Engine().submit(make_submit(max_tokens=9))
    engine.step()
    engine.lose_worker()
    engine.abort("r")
    assert engine.scheduler.is_empty
    assert engine.ends == {("r", 0): FinishReason.ABORT}


def test_resumed_sequences_are_counted_and_no_preemptions() -> None:
    engine = Engine(max_batch_size=2).submit(*(make_submit(name) for name in "abc"))
    engine.step()
    lose_and_replace(engine)
    counters = engine.scheduler.counters
    assert (counters.num_resumed, counters.num_preemptions) == (2, 0)
    assert counters.num_prompt_tokens == 2 * 4


def test_suspects_are_resumed_one_after_another() -> None:
    names = "abc"
    engine = Engine(max_steps_in_flight=1, has_prefix_cache=False)
    engine.submit(*(make_submit(name, 5) for name in names))
    engine.send()
    lose_and_replace(engine)
    sizes = []
    for _ in names:
        sizes.append(scheduled_tokens(sent(engine)))
        engine.receive()
    assert sizes == [[5], [1, 5], [1, 1, 5]]


def test_suspect_is_cleared_by_coming_past_the_point_not_by_its_first_chunk() -> None:
    options = {"max_prefill_tokens": 8, "max_steps_in_flight": 1}
    engine = Engine(**options).submit(make_submit(prompt=20))
    for _ in range(2):
        engine.step()
    engine.send()
    lose_and_replace(engine)
    on_trial = []
    for _ in range(3):
        engine.step()
        on_trial.append(anybody_on_trial(engine))
    assert on_trial == [True, True, False]


class FatalWorker:
    """Dies in every step that computes position `position` of a request with `token` in front."""

    def __init__(self, engine: Engine, token: int, position: int) -> None:
        self.engine, self.num_deaths = engine, 0
        self._token, self._position = token, position

    def step(self) -> None:
        while self.engine.send():
            pass
        if self.is_fatal():
            self.num_deaths += 1
            lose_and_replace(self.engine)
        else:
            self.engine.receive()

    def is_fatal(self) -> bool:
        batch, known = self.engine.sent[0], self.engine.worker.sequences
        first = {new.sequence_id: new.token_ids[0] for new in batch.new}
        first |= {name: sequence.token_ids[0] for name, sequence in known.items()}
        return any(
            first[part.sequence_id] == self._token
            and part.num_computed_tokens
            <= self._position
            < part.num_computed_tokens + part.num_scheduled_tokens
            for part in batch.scheduled
        )


@pytest.mark.parametrize("position", [0, 5, 12, 15])
@pytest.mark.parametrize("overlap", [1, 2])
def test_request_that_kills_workers_ends_alone(position: int, overlap: int) -> None:
    """12 is the last token of the prompt, 15 one of the output."""
    others = [make_submit(name, [1, *range(9)], max_tokens=15, seed=index)
              for index, name in enumerate("abcde")]  # fmt: skip
    poison = make_submit("poison", [99, *range(12)], max_tokens=15, num_choices=2)
    options: dict[str, Any] = {"max_prefill_tokens": 20, "max_steps_in_flight": overlap}
    expected = run_all([*others[:3], *others[3:]], **options)
    engine = Engine(**options).submit(*others[:3], poison, *others[3:])
    fatal = FatalWorker(engine, 99, position)
    while not engine.scheduler.is_empty:
        fatal.step()
    assert fatal.num_deaths == 2
    for name in "abcde":
        assert engine.tokens[name, 0] == expected.tokens[name, 0]
        assert engine.ends[name, 0] is expected.ends[name, 0]
    ends = [output for output in engine.outputs if output.error]
    assert {output.request_id for output in ends} == {"poison"}
    assert len(ends) == 2  # both its choices
    assert all("two workers in succession" in str(output.error) for output in ends)


def test_step_that_was_never_sent_makes_nobody_suspect() -> None:
    engine = Engine().submit(make_submit(max_tokens=4))
    engine.step()
    engine.sent.clear()
    while engine.scheduler._in_flight:
        engine.scheduler.recall()
    engine.lose_worker()
    assert not anybody_on_trial(engine)
    engine.replace_worker()
    assert engine.run().tokens == run_all([make_submit(max_tokens=4)]).tokens


def test_worker_lost_over_a_finished_suspect_blames_nobody() -> None:
    engine = Engine().submit(make_submit("a", max_tokens=9), make_submit("b", max_tokens=9))
    engine.send()
    lose_and_replace(engine)
    engine.send()
    engine.abort("a")
    lose_and_replace(engine)
    engine.run()
    assert engine.ends == {("a", 0): FinishReason.ABORT, ("b", 0): FinishReason.LENGTH}


def test_smaller_worker_ends_what_has_no_room_and_goes_on_with_the_rest() -> None:
    engine = Engine(16).submit(make_submit("long", 30), make_submit("short", 4))
    engine.step()
    lose_and_replace(engine, num_blocks=5)
    [ended] = [output for output in engine.outputs if output.error]
    assert ended.request_id == "long"
    assert "room for 20 tokens, not 31" in str(ended.error)
    assert engine.run().ends["short", 0] is FinishReason.LENGTH


def test_smaller_worker_ends_by_length_what_fits_so_far() -> None:
    engine = Engine(16).submit(make_submit(prompt=10, max_tokens=40))
    engine.step()
    lose_and_replace(engine, num_blocks=4)
    engine.run()
    assert engine.ends == {("r", 0): FinishReason.LENGTH}
    assert len(engine.tokens["r", 0]) == 6


def test_new_requests_are_measured_by_the_new_worker() -> None:
    engine = Engine(16)
    lose_and_replace(engine, num_blocks=2)
    with pytest.raises(Exception, match="the context holds 7"):
        engine.scheduler.submit(CLIENT, make_submit(prompt=8))


def test_blocks_of_another_size_are_no_matter() -> None:
    submits = [make_submit("a", 30), make_submit("b", 30)]
    engine = Engine().submit(*submits)
    for _ in range(3):
        engine.step()
    lose_and_replace(engine, block_size=8)
    assert engine.run().tokens == run_all(submits).tokens


def test_drafts_in_flight_are_lost_with_their_worker() -> None:
    """The step is repeated from the last known token, and drafted anew."""
    engine = Engine(max_draft_tokens=5).submit(make_submit(max_tokens=60))
    while not (engine.sent and engine.sent[-1].scheduled[0].draft_token_ids):
        engine.step()
        engine.send()
    num_known = 4 + len(engine.tokens["r", 0])
    lose_and_replace(engine)
    assert len(sent(engine).new[0].token_ids) == num_known
    assert engine.run().tokens == run_all([make_submit(max_tokens=60)]).tokens


def test_next_worker_may_take_no_drafts() -> None:
    engine = Engine(max_draft_tokens=5).submit(make_submit(max_tokens=60))
    engine.step()
    engine.lose_worker()
    engine.scheduler.resume(64, 4, 128)
    assert engine.scheduler._admission.speculation.max_draft_tokens == 0
