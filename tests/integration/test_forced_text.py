"""What grammars force is drafted through scheduler and worker: the same replies, in fewer steps."""

from __future__ import annotations

import json
import random
import urllib.request
from typing import Any

import pytest

from forge_common.grammar.program import Array, Item, Literals, Sequence
from forge_common.protocol.api_scheduler import Submit
from forge_worker.model_runner import ModelRunner
from tests.builders import make_submit
from tests.integration.conftest import Launch
from tests.integration.launched_forge import LaunchedForge
from tests.integration.test_speculation import Engine, assert_same
from tests.worker.grammars import END, PERSON, grammar
from tests.worker.test_forced_drafts import runner_for
from tests.worker.test_same_tokens import model_of

LONG_KEYS = grammar(
    Sequence((1, 2)),
    Literals((b'{"first of all":', b'{"in the first place":')),
    Array(rest=Item(3), min_items=2, max_items=3),
    Literals((b'"one of the kind"', b'"one of the others"', b"true")),
)
GRAMMARS = (PERSON, LONG_KEYS)


class ConstrainedEngine(Engine):
    """One whose vocabulary grammars can be followed with."""

    def make_runner(self) -> ModelRunner:
        return runner_for(model_of(self.model))


def random_submits(seed: int, num_requests: int = 6) -> list[Submit]:
    """Most have a grammar; every parameter now and then."""
    chance = random.Random(seed)
    submits = []
    for number in range(num_requests):
        max_tokens = chance.randint(8, 45)
        submits.append(
            make_submit(
                str(number),
                [chance.randrange(40) for _ in range(chance.randint(2, 15))],
                max_tokens=max_tokens,
                seed=number,
                grammar=chance.choice([*GRAMMARS, *GRAMMARS, None]),
                temperature=chance.choice([0.0, 0.7, 1.5]),
                top_p=chance.choice([1.0, 0.8]),
                num_choices=chance.choice([1, 1, 3]),
                eos_token_ids=(END,),
                repetition_penalty=chance.choice([1.0, 1.0, 1.2]),
                frequency_penalty=chance.choice([0.0, 0.0, 0.4]),
                num_logprobs=chance.choice([None, 0, 2]),
                num_prompt_logprobs=chance.choice([None, None, 1]),
            )
        )
    return submits


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("model", ["llama3", "qwen3"])
@pytest.mark.parametrize("seed", range(3))
def test_random_mixes_say_the_same_with_drafts(model: str, seed: int) -> None:
    submits = random_submits(seed)
    plain = ConstrainedEngine(model, 0).run(submits)
    drafted = ConstrainedEngine(model, 8).run(submits)
    assert_same(drafted, plain)
    counters = drafted.scheduler.counters
    assert 0 < counters.num_accepted_forced_tokens < counters.num_forced_draft_tokens
    assert counters.num_forced_draft_tokens <= counters.num_draft_tokens
    assert plain.scheduler.counters.num_forced_draft_tokens == 0


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", range(3))
def test_and_when_preempted(seed: int) -> None:
    submits = random_submits(seed, num_requests=5)
    plain = ConstrainedEngine("llama3", 0).run(submits)
    drafted = ConstrainedEngine("llama3", 8, num_blocks=18).run(submits)
    assert_same(drafted, plain)
    assert drafted.scheduler.counters.num_preemptions > 0


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("lose_after", [2, 5, 10])
def test_and_when_the_worker_is_lost(lose_after: int) -> None:
    submits = random_submits(4)
    plain = ConstrainedEngine("llama3", 0).run(submits)
    drafted = ConstrainedEngine("llama3", 8).run(submits, lose_after)
    assert_same(drafted, plain)
    assert drafted.scheduler.counters.num_resumed > 0


def test_long_keys_take_fewer_steps_by_the_rule_as_it_stands() -> None:
    submits = [
        make_submit(
            str(number), [5, 6], max_tokens=58, seed=number, grammar=LONG_KEYS, eos_token_ids=(END,)
        )
        for number in range(3)
    ]
    plain, drafted = (ConstrainedEngine("llama3", most) for most in (0, 8))
    for submit in submits:
        plain.run([submit])
        drafted.run([submit])
    assert_same(drafted, plain)
    assert drafted.scheduler.counters.num_steps < plain.scheduler.counters.num_steps * 0.6


KEYS = ("number_of_previous_orders", "is_recurring_customer", "preferred_method")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        KEYS[0]: {"type": "integer", "minimum": 0, "maximum": 99},
        KEYS[1]: {"type": "boolean"},
        KEYS[2]: {"enum": ["credit card", "bank transfer"]},
    },
    "required": list(KEYS),
    "additionalProperties": False,
}
BODY: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Tell me about the order as JSON."}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "order", "schema": SCHEMA}},
    "max_tokens": 120,
    "temperature": 0,
    "logprobs": True,
}


def forced(forge: LaunchedForge, name: str) -> float:
    with urllib.request.urlopen(f"{forge.url}/metrics") as reply:  # noqa: S310 - our own address
        lines = reply.read().decode().splitlines()
    [value] = [line for line in lines if line.startswith(f"forge_{name}_total")]
    return float(value.split()[-1])


def assert_same_reply(forge: LaunchedForge, **changes: Any) -> None:
    body = {**BODY, **changes}
    num_drafted = forced(forge, "draft_tokens_forced")
    plain = forge.post("/v1/chat/completions", **body, speculative=False)
    assert forced(forge, "draft_tokens_forced") == num_drafted
    num_accepted = forced(forge, "draft_tokens_forced_accepted")
    drafted = forge.post("/v1/chat/completions", **body)
    assert forced(forge, "draft_tokens_forced_accepted") > num_accepted
    for ours, expected in zip(drafted["choices"], plain["choices"], strict=True):
        assert ours["message"]["content"] == expected["message"]["content"]
        assert ours["finish_reason"] == expected["finish_reason"] == "stop"
        assert tuple(json.loads(ours["message"]["content"])) == KEYS
        assert tokens_of(ours) == tokens_of(expected)
    assert drafted["usage"]["completion_tokens"] == plain["usage"]["completion_tokens"]


def tokens_of(choice: dict[str, Any]) -> list[str]:
    return [entry["token"] for entry in choice["logprobs"]["content"]]


@pytest.mark.integration
def test_replies_are_the_same_over_http(launch: Launch) -> None:
    forge = launch(model=None).wait_until_ready()
    assert_same_reply(forge)
    assert_same_reply(forge, n=2, temperature=0.9, seed=4)
