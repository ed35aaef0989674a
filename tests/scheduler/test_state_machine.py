"""The scheduler as a state machine: whatever is done in whatever order, it adds up after each step.

Beside the long random walks this finds short ways to a fault, and shrinks them. What a scheduler
said is also carried over to another one, as a client does whose scheduler was lost.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import Submit
from forge_scheduler.policy import FirstComeFirstServed, LowestPriorityNumberFirst
from tests.builders import make_submit
from tests.scheduler.audit import audit
from tests.scheduler.engine import Engine

VOCAB_SIZE = 2
MAX_MODEL_LEN = 14
TINY = {
    "num_blocks": 8,
    "block_size": 2,
    "max_batch_size": 4,
    "max_prefill_tokens": 6,
    "max_queued_requests": 6,
    "vocab_size": VOCAB_SIZE,
    "max_model_len": MAX_MODEL_LEN,
}
TOKEN_IDS = st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=MAX_MODEL_LEN - 1)


class SchedulerMachine(RuleBasedStateMachine):
    """One client, one scheduler after another, one worker after another."""

    @initialize(
        has_prefix_cache=st.booleans(),
        max_draft_tokens=st.sampled_from([0, 3]),
        max_steps_in_flight=st.integers(1, 3),
        is_by_priority=st.booleans(),
    )
    def begin(self, *, is_by_priority: bool, **options: Any) -> None:
        policy = LowestPriorityNumberFirst() if is_by_priority else FirstComeFirstServed()
        self.options: dict[str, Any] = {**TINY, **options, "policy": policy}
        self.engine = Engine(**self.options)
        self.has_worker = True
        self.submits: dict[str, Submit] = {}
        self.num_named = 0

    @rule(
        prompt=TOKEN_IDS,
        max_tokens=st.integers(1, 16),
        num_choices=st.sampled_from([1, 1, 3]),
        seed=st.integers(0, 2),
        priority=st.integers(0, 2),
        tenant=st.sampled_from(["", "a", "b"]),
        eos_token_ids=st.sampled_from([(), (1,)]),
        num_prompt_logprobs=st.sampled_from([None, 0]),
    )
    def submit(self, prompt: list[int], **options: Any) -> None:
        self.num_named += 1
        submit = make_submit(str(self.num_named), prompt, **options)
        try:
            self.engine.submit(submit)
        except RequestError:
            return
        self.submits[submit.request_id] = submit

    @precondition(lambda self: self.submits)
    @rule(data=st.data(), choice_index=st.sampled_from([None, 0, 1]))
    def abort(self, data: st.DataObject, choice_index: int | None) -> None:
        name = data.draw(st.sampled_from(sorted(self.submits)))
        self.engine.abort(name, choice_index)

    @precondition(lambda self: self.has_worker)
    @rule()
    def send(self) -> None:
        self.engine.send()

    @precondition(lambda self: self.engine.sent)
    @rule()
    def receive(self) -> None:
        self.engine.receive()

    @precondition(lambda self: self.has_worker)
    @rule()
    def lose_worker(self) -> None:
        self.engine.lose_worker()
        self.has_worker = False

    @precondition(lambda self: not self.has_worker)
    @rule()
    def replace_worker(self) -> None:
        self.engine.replace_worker(max_model_len=MAX_MODEL_LEN)
        self.has_worker = True

    @rule()
    def lose_scheduler(self) -> None:
        """The client submits to the next one what has not ended, with what has come of it."""
        old = self.engine
        self.engine = Engine(**self.options)
        self.engine.tokens, self.engine.ends = old.tokens, old.ends
        self.has_worker = True
        for name, submit in self.submits.items():
            self._submit_again(name, submit)

    def _submit_again(self, name: str, submit: Submit) -> None:
        choices = [(name, index) for index in range(submit.sampling.num_choices)]
        if all(choice in self.engine.ends for choice in choices):
            return
        so_far = [
            None if choice in self.engine.ends else list(self.engine.tokens[choice])
            for choice in choices
        ]
        self.engine.submit(msgspec.structs.replace(submit, so_far=so_far))

    @invariant()
    def adds_up(self) -> None:
        if hasattr(self, "engine"):
            audit(self.engine.scheduler)

    def teardown(self) -> None:
        """Let all that is left run to its end: each choice has one, and all blocks are free."""
        if not hasattr(self, "engine"):
            return
        if not self.has_worker:
            self.replace_worker()
        self.engine.run()
        choices = {
            (name, index)
            for name, submit in self.submits.items()
            for index in range(submit.sampling.num_choices)
        }
        assert set(self.engine.ends) == choices
        assert self.engine.scheduler.stats().num_free_blocks == TINY["num_blocks"]


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
