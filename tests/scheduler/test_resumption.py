"""Requests that another scheduler began go on where they were, and nobody is believed too much."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import msgspec
import pytest

from forge_common.client.unfinished import Unfinished
from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import SequenceOutput, Submit
from forge_common.sampling import MAX_CHOICES, FinishReason
from forge_scheduler.grammar_room import TOKEN_ID_BYTES
from forge_scheduler.waiting_queue import QueueFull
from tests.builders import make_submit
from tests.scheduler.audit import audit
from tests.scheduler.engine import CLIENT, Engine, run_all
from tests.scheduler.test_same_tokens import mixed_submits

MIXED = mixed_submits()
REQUESTS = {
    "plain": make_submit(prompt=9, max_tokens=12),
    "long prompt in chunks": make_submit(prompt=40, max_tokens=5),
    "choices": make_submit(prompt=17, max_tokens=12, num_choices=3),
    "prompt logprobs": make_submit(prompt=20, max_tokens=12, num_prompt_logprobs=0),
    "stop token": make_submit(prompt=9, max_tokens=40, eos_token_ids=tuple(range(10))),
    "minimum": make_submit(prompt=9, max_tokens=40, min_tokens=20, eos_token_ids=tuple(range(50))),
}


def unstarted(submit: Submit) -> Submit:
    """From another scheduler, where none of its choices came to say anything."""
    return resumed(submit, *([] for _ in range(submit.sampling.num_choices)))


def resumed(submit: Submit, *so_far: list[int] | None) -> Submit:
    return msgspec.structs.replace(submit, so_far=list(so_far))


def what_came(engine: Engine, submit: Submit) -> list[list[int] | None]:
    choices = [(submit.request_id, index) for index in range(submit.sampling.num_choices)]
    return [None if choice in engine.ends else list(engine.tokens[choice]) for choice in choices]


def move(engine: Engine, submits: list[Submit], **options: Any) -> Engine:
    """To another scheduler with another worker, which know what the client knows."""
    successor = Engine(**options)
    successor.tokens, successor.ends = engine.tokens, engine.ends
    successor.outputs = engine.outputs
    for submit in submits:
        so_far = what_came(engine, submit)
        if any(token_ids is not None for token_ids in so_far):
            successor.submit(resumed(submit, *so_far))
    audit(successor.scheduler)
    return successor


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("num_steps", [0, 1, 2, 3, 7, 13])
@pytest.mark.parametrize("max_draft_tokens", [0, 5])
def test_same_tokens_whenever_the_scheduler_is_lost(
    name: str, num_steps: int, max_draft_tokens: int
) -> None:
    options: dict[str, Any] = {"max_prefill_tokens": 8}
    submit = REQUESTS[name]
    expected = run_all([submit], **options)
    options["max_draft_tokens"] = max_draft_tokens
    engine = Engine(**options).submit(submit)
    for _ in range(num_steps):
        if not engine.scheduler.is_empty:
            engine.step()
    engine = move(engine, [submit], **options).run()
    assert engine.tokens == expected.tokens
    assert engine.ends == expected.ends
    assert prompt_logprobs(engine) == prompt_logprobs(expected)


def prompt_logprobs(engine: Engine) -> list[Any]:
    return [output.prompt_logprobs for output in engine.outputs if output.prompt_logprobs]


@pytest.mark.parametrize("max_draft_tokens", [0, 3])
def test_same_tokens_however_often_schedulers_are_lost(max_draft_tokens: int) -> None:
    expected = run_all(MIXED)
    options: dict[str, Any] = {"num_blocks": 24, "max_prefill_tokens": 9}
    options["max_draft_tokens"] = max_draft_tokens
    engine, num_lost = Engine(**options).submit(*MIXED), 0
    while not engine.scheduler.is_empty:
        for _ in range(9 + num_lost):
            if not engine.scheduler.is_empty:
                engine.step()
        engine, num_lost = move(engine, MIXED, **options), num_lost + 1
    assert engine.tokens == expected.tokens
    assert engine.ends == expected.ends
    assert num_lost > 3


def test_choices_that_have_ended_stay_so_and_the_request_ends_with_the_others() -> None:
    submit = make_submit(prompt=9, num_choices=3, max_tokens=6)
    expected = run_all([submit]).tokens
    engine = Engine().submit(resumed(submit, None, expected["r", 1][:2], None)).run()
    assert engine.tokens == {("r", 1): expected["r", 1][2:]}
    assert engine.ends == {("r", 1): FinishReason.LENGTH}


@pytest.mark.parametrize("so_far", [[None, [5], []], [[], None, [5]]])
def test_choices_that_waited_for_the_first_go_on_when_it_is_aborted(so_far: list[Any]) -> None:
    engine = Engine().submit(resumed(make_submit(prompt=9, num_choices=3), *so_far))
    first, second = (index for index, token_ids in enumerate(so_far) if token_ids is not None)
    engine.abort("r", first)
    assert engine.run().ends == {
        ("r", first): FinishReason.ABORT,
        ("r", second): FinishReason.LENGTH,
    }


def test_usage_counts_prompts_once() -> None:
    engine = Engine().submit(resumed(make_submit(prompt=9, max_tokens=5), [1, 2])).run()
    counters = engine.scheduler.counters
    assert (counters.num_prompt_tokens, counters.num_output_tokens) == (0, 3)
    assert counters.num_resumed == 1


def test_time_in_the_queue_is_told_with_the_first_output_only() -> None:
    engine = Engine().submit(resumed(make_submit(), [1])).submit(make_submit("new")).run()
    told = {output.request_id for output in engine.outputs if output.queue_s is not None}
    assert told == {"new"}


@pytest.mark.parametrize(
    ("so_far", "sampling", "sentence"),
    [
        ([[1], [2]], {}, "2 choices, where 1 were asked"),
        ([None], {}, "every choice has ended"),
        ([[1] * 8], {}, "8 tokens put out, where max_tokens is 8"),
        ([[1] * 124], {"max_tokens": 1000}, "no room for a token in 128"),
        ([[100]], {}, "token 100 is not in a vocabulary of 100"),
        ([[3, 7, 3]], {"stop_token_ids": (7,)}, "a stop token would have ended it"),
        ([[3, 7]], {"eos_token_ids": (7,), "min_tokens": 1}, "a stop token would have ended it"),
        ([[1], [1, 7]], {"num_choices": 2, "eos_token_ids": (7,)}, "a stop token"),
    ],
)
def test_what_cannot_be_is_refused(
    so_far: list[Any], sampling: dict[str, Any], sentence: str
) -> None:
    engine = Engine()
    with pytest.raises(RequestError, match=sentence) as caught:
        engine.submit(resumed(make_submit(**sampling), *so_far))
    assert caught.value.param == "so_far"
    assert engine.scheduler.is_empty


def test_stop_token_among_the_first_that_must_come_is_possible() -> None:
    submit = make_submit(eos_token_ids=(7,), min_tokens=2)
    engine = Engine().submit(resumed(submit, [3, 7]))
    assert not engine.scheduler.is_empty


def test_full_queue_has_room_for_all_that_ran_elsewhere_but_not_for_more() -> None:
    engine = Engine(max_queued_requests=2, max_batch_size=3)
    engine.submit(make_submit("a"), make_submit("b"))
    with pytest.raises(QueueFull):
        engine.submit(make_submit("c"))
    num_others = 2 * 2 + (3 + 1) * MAX_CHOICES - 2
    engine.submit(*(resumed(make_submit(f"c{number}"), [1]) for number in range(num_others)))
    with pytest.raises(QueueFull):
        engine.submit(resumed(make_submit("f"), [1]))
    assert len(engine.run().ends) == 2 + num_others


def test_small_tenants_beyond_a_full_queue_come_back_too() -> None:
    """As the state machine found it."""
    options = {"max_queued_requests": 6, "max_batch_size": 4}
    submits = [make_submit("0", max_tokens=1, tenant="a")]
    for name in "123":
        tenant = "b" if name == "1" else ""
        submits.append(make_submit(name, max_tokens=1, num_choices=3, tenant=tenant))
    first = Engine(**options).submit(*submits[:2])
    first.send()
    first.submit(*submits[2:])
    second = Engine(**options).submit(*map(unstarted, submits))
    second.send()
    submits.append(make_submit("4", max_tokens=1, tenant="b"))
    second.submit(submits[-1])
    third = Engine(**options).submit(*map(unstarted, submits))
    assert len(third.run().ends) == 11


def test_grammars_of_another_scheduler_find_room() -> None:
    engine = Engine(max_grammar_bytes=3 * TOKEN_ID_BYTES)
    a, b = (make_submit(name, allowed_token_ids=(1, 2, 3)) for name in "ab")
    engine.submit(a)
    with pytest.raises(QueueFull):
        engine.submit(b)
    engine.submit(resumed(b, [1]))


def test_requests_of_two_clients_may_have_one_id() -> None:
    engine = Engine().submit(make_submit())
    engine.scheduler.submit(b"other", resumed(make_submit(), [1]))
    with pytest.raises(RequestError, match="being served already"):
        engine.scheduler.submit(CLIENT, resumed(make_submit(), [1]))


class Client:
    """Reads what it is given, and asks each scheduler for what the last ones left unfinished."""

    def __init__(self, submits: list[Submit]) -> None:
        self.tokens: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.ends: dict[tuple[str, int], FinishReason] = {}
        self._book = Unfinished()
        self._open = {submit.request_id: submit.sampling.num_choices for submit in submits}
        for submit in submits:
            self._book.open(submit)

    def meet(self, engine: Engine, epoch: int) -> None:
        self._book.lose_link()
        assert not self._book.meet(epoch)
        self.ask(engine)

    @property
    def is_served(self) -> bool:
        return len(self._book) == 0

    def ask(self, engine: Engine) -> None:
        while self._book.has_due:
            for submit in self._book.take_due():
                engine.submit(submit)
                self._book.accept(submit.request_id)

    def read(self, engine: Engine, outputs: list[SequenceOutput]) -> None:
        for output in outputs:
            choice = (output.request_id, output.choice_index)
            self.tokens[choice] += output.token_ids
            self._book.take(output)
            if output.finish_reason is not None:
                assert choice not in self.ends
                self.ends[choice] = output.finish_reason
                self._open[output.request_id] -= 1
                if self._open[output.request_id] == 0:
                    self._book.close(output.request_id)
        self.ask(engine)


@pytest.mark.parametrize("seed", range(8))
def test_no_token_is_lost_or_doubled_whatever_was_read_of_what_was_said(seed: int) -> None:
    """The last outputs of each scheduler are lost with it: more or fewer of them."""
    chance, options = random.Random(seed), {"num_blocks": 24, "max_prefill_tokens": 30}
    expected, client = run_all(MIXED), Client(MIXED)
    epoch = 0
    while not client.is_served:
        engine, num_read, epoch = Engine(**options, max_draft_tokens=seed % 4), 0, epoch + 1
        client.meet(engine, epoch)
        for _ in range(chance.randrange(8, 20)):
            if not engine.scheduler.is_empty:
                engine.step()
            if chance.random() < 0.5:
                unread, num_read = engine.outputs[num_read:], len(engine.outputs)
                client.read(engine, unread)
    assert client.tokens == expected.tokens
    assert client.ends == expected.ends
    assert epoch > 2
