"""10^5 random operations on tiny schedulers: nothing leaks, nothing is shared, nothing is lost."""

from __future__ import annotations

import random
from typing import Any

import pytest

from forge_common.errors import RequestError
from forge_scheduler.policy import LowestPriorityNumberFirst
from tests.builders import make_submit
from tests.scheduler.audit import audit, audit_idle
from tests.scheduler.engine import Engine

NUM_OPERATIONS = 25_000
TINY = {"num_blocks": 8, "block_size": 2, "max_batch_size": 4, "max_prefill_tokens": 6}
SMALL_QUEUE = {"max_queued_requests": 6, "vocab_size": 2, "max_model_len": 14}


class Walk:
    """A client that does anything at any time."""

    def __init__(
        self, seed: int, losses: int = 0, tenants: tuple[str, ...] = ("",), **options: Any
    ) -> None:
        self._tenants = tenants
        self._losses = losses  # in about 160 operations
        self._has_worker = True
        self.num_losses = 0
        self.engine = Engine(**{**TINY, **SMALL_QUEUE, **options})
        self._chance = random.Random(seed)
        self._names: list[str] = []
        self._num_submitted = 0
        self.num_refused = 0

    def go(self) -> None:
        operations = [self.submit, self.abort, self.send, self.receive, self.change_worker]
        weights = [30, 10, 60, 60, self._losses]
        for _ in range(NUM_OPERATIONS):
            self._chance.choices(operations, weights)[0]()
            audit(self.engine.scheduler)

    def submit(self) -> None:
        chance = self._chance
        name = str(self.engine.scheduler._reception._num_requests)
        submit = make_submit(
            name,
            [chance.randrange(2) for _ in range(chance.randrange(1, 15))],
            priority=chance.randrange(3),
            tenant=chance.choice(self._tenants),
            max_tokens=chance.randrange(1, 20),
            seed=chance.randrange(3),
            num_choices=chance.choice([1, 1, 1, 3]),
            eos_token_ids=chance.choice([(), (1,)]),
            num_prompt_logprobs=chance.choice([None, None, 0]),
        )
        try:
            self.engine.submit(submit)
        except RequestError:
            self.num_refused += 1
        else:
            self._names += [name] * submit.sampling.num_choices

    def abort(self) -> None:
        if self._names:
            recent = self._names[-12:]
            self.engine.abort(self._chance.choice(recent), self._chance.choice([None, None, 0, 1]))

    def send(self) -> None:
        if self._has_worker:
            self.engine.send()

    def receive(self) -> None:
        if self.engine.sent:
            self.engine.receive()

    def change_worker(self) -> None:
        """Lose it, or get the next one."""
        if self._has_worker:
            self.engine.lose_worker()
            audit_idle(self.engine.scheduler)
            self.num_losses += 1
        else:
            self.engine.replace_worker(max_model_len=SMALL_QUEUE["max_model_len"])
        self._has_worker = not self._has_worker

    def finish(self) -> None:
        if not self._has_worker:
            self.change_worker()
        self.engine.run()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="fcfs"),
        pytest.param(
            {"policy": LowestPriorityNumberFirst(), "max_steps_in_flight": 4}, id="priority"
        ),
        pytest.param({"has_prefix_cache": False}, id="uncached"),
        pytest.param({"num_blocks": 3, "block_size": 14}, id="naive"),
        pytest.param({"max_draft_tokens": 5}, id="drafts"),
        pytest.param(
            {"max_draft_tokens": 3, "losses": 4, "max_steps_in_flight": 3},
            id="drafts and losing workers",
        ),
        pytest.param({"losses": 4, "max_steps_in_flight": 3}, id="losing workers"),
        pytest.param(
            {"losses": 20, "policy": LowestPriorityNumberFirst()}, id="losing workers all the time"
        ),
        pytest.param({"tenants": ("a", "b", "c"), "losses": 4}, id="tenants"),
    ],
)
def test_invariants_hold_and_every_choice_ends_once(options: dict[str, Any]) -> None:
    walk = Walk(seed=1, **options)
    walk.go()
    walk.finish()
    audit(walk.engine.scheduler)
    assert len(walk.engine.ends) == len(walk._names)
    assert walk.engine.scheduler.stats().num_free_blocks == walk.engine.worker.num_blocks
    assert walk.num_refused > 0
    assert (walk.num_losses > 0) == ("losses" in options)
