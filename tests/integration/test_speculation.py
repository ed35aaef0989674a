"""Drafts through scheduler and worker: the same replies, in fewer steps."""

from __future__ import annotations

import json
import random
import urllib.request
from collections import defaultdict, deque
from itertools import chain
from typing import Any

import pytest

from forge_common.protocol.api_scheduler import SequenceOutput, Submit
from forge_common.protocol.message import PositionLogprobs
from forge_common.sampling import FinishReason
from forge_scheduler.scheduler import Scheduler
from forge_worker.model_runner import ModelRunner
from tests.builders import make_scheduler, make_submit
from tests.integration.launched_forge import LaunchedForge
from tests.scheduler.audit import audit
from tests.worker.test_drafts import DRAFTING, runner_of

MODELS = ["llama3", "mistral", "qwen3"]
NUM_BLOCKS = DRAFTING.num_blocks


class Engine:
    """A scheduler and a real model joined without sockets."""

    def __init__(self, model: str, max_draft_tokens: int, num_blocks: int = NUM_BLOCKS) -> None:
        self.model = model
        self.runner: ModelRunner = self.make_runner()
        self.scheduler: Scheduler = make_scheduler(
            num_blocks,
            DRAFTING.block_size,
            max_model_len=DRAFTING.max_model_len,
            vocab_size=self.runner.mirror.limits.vocab_size,
            max_batch_size=DRAFTING.max_batch_size,
            max_draft_tokens=max_draft_tokens,
        )
        self.sent: deque[Any] = deque()
        self.said: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.ends: dict[tuple[str, int], FinishReason] = {}
        self.logprobs: dict[tuple[str, int], list[PositionLogprobs]] = defaultdict(list)
        self.prompt_logprobs: dict[tuple[str, int], Any] = {}

    def make_runner(self) -> ModelRunner:
        return runner_of(self.model)

    def run(self, submits: list[Submit], lose_after: int | None = None) -> Engine:
        for submit in submits:
            self.scheduler.submit(b"c", submit)
        while not self.scheduler.is_empty:
            while (batch := self.scheduler.schedule()) is not None:
                self.sent.append(batch.to_run_batch())
            if self.scheduler.counters.num_steps == lose_after:
                self.lose_worker()
                continue
            for outputs in self.scheduler.update(self.runner.run(self.sent.popleft())).values():
                self.read(outputs)
            audit(self.scheduler)
        return self

    def lose_worker(self) -> None:
        self.sent.clear()
        self.scheduler.lose_worker()
        self.runner = self.make_runner()
        limits = self.runner.mirror.limits
        self.scheduler.resume(
            self.scheduler._kv_cache.num_blocks,
            limits.block_size,
            limits.max_model_len,
            limits.max_draft_tokens,
        )

    def read(self, outputs: list[SequenceOutput]) -> None:
        for output in outputs:
            key = (output.request_id, output.choice_index)
            assert output.error is None
            self.said[key] += output.token_ids
            if output.logprobs is not None:
                assert [e.chosen.token_id for e in output.logprobs] == output.token_ids
                self.logprobs[key] += output.logprobs
            if output.prompt_logprobs is not None:
                self.prompt_logprobs[key] = [
                    entry and entry.chosen.token_id for entry in output.prompt_logprobs
                ]
            if output.finish_reason is not None:
                self.ends[key] = output.finish_reason


def random_submits(seed: int, num_requests: int = 7) -> list[Submit]:
    """Prompts that repeat themselves, and every parameter now and then."""
    chance = random.Random(seed)
    submits = []
    for number in range(num_requests):
        phrase = [chance.randrange(40) for _ in range(chance.randint(3, 6))]
        prompt = (phrase * 8)[: chance.randint(4, 24)]
        max_tokens = chance.randint(1, 40)
        submits.append(
            make_submit(
                str(number),
                prompt,
                max_tokens=max_tokens,
                seed=number,
                temperature=chance.choice([0.0, 0.0, 0.3, 1.0]),
                top_k=chance.choice([None, None, 3]),
                top_p=chance.choice([1.0, 0.7]),
                num_choices=chance.choice([1, 1, 1, 2]),
                min_tokens=chance.choice([0, min(5, max_tokens)]),
                eos_token_ids=chance.choice([(), tuple(range(0, 40, 7))]),
                stop_token_ids=chance.choice([(), (phrase[-1],)]),
                repetition_penalty=chance.choice([1.0, 1.0, 1.2]),
                frequency_penalty=chance.choice([0.0, 0.0, 0.4]),
                logit_bias=chance.choice([{}, {phrase[0]: 25.0, phrase[1]: 25.0}]),
                bad_words=chance.choice([(), (tuple(phrase[:2]),)]),
                num_logprobs=chance.choice([None, 0, 2]),
                num_prompt_logprobs=chance.choice([None, None, 1]),
            )
        )
    return submits


def assert_same(drafted: Engine, plain: Engine) -> None:
    assert drafted.said == plain.said
    assert drafted.ends == plain.ends
    assert drafted.prompt_logprobs == plain.prompt_logprobs
    for key, entries in plain.logprobs.items():
        ours = [entry.chosen.logprob for entry in drafted.logprobs[key]]
        assert ours == pytest.approx([entry.chosen.logprob for entry in entries], abs=1e-3)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", range(4))
def test_random_mixes_say_the_same_with_drafts(model: str, seed: int) -> None:
    submits = random_submits(seed)
    plain = Engine(model, 0).run(submits)
    drafted = Engine(model, 8).run(submits)
    assert_same(drafted, plain)
    assert drafted.scheduler.counters.num_accepted_tokens > 0
    counters = drafted.scheduler.counters
    assert counters.num_accepted_tokens < counters.num_draft_tokens


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", range(4))
def test_and_when_preempted(seed: int) -> None:
    submits = random_submits(seed, num_requests=5)
    plain = Engine("llama3", 0).run(submits)
    drafted = Engine("llama3", 8, num_blocks=18).run(submits)
    assert_same(drafted, plain)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("lose_after", [3, 9, 14])
def test_and_when_the_worker_is_lost(lose_after: int) -> None:
    submits = random_submits(5)
    plain = Engine("llama3", 0).run(submits)
    drafted = Engine("llama3", 8).run(submits, lose_after)
    assert_same(drafted, plain)
    assert drafted.scheduler.counters.num_resumed > 0


def test_what_a_drafted_run_leaves_in_the_prefix_cache_is_right() -> None:
    """The same conversation goes on: its blocks, drafts among them, are found and used."""
    first = make_submit("a", [1, 2, 3, 4] * 4, max_tokens=20, temperature=0.0)
    engines = [Engine("llama3", most).run([first]) for most in (0, 8)]
    longer = [*first.prompt_token_ids, *engines[0].said["a", 0], 5]
    for engine in engines:
        engine.run([make_submit("b", longer, max_tokens=20, temperature=0.0)])
    assert_same(engines[1], engines[0])
    for engine in engines:
        assert engine.scheduler.counters.num_cached_prompt_tokens >= 32


def test_a_repetition_is_said_in_fewer_steps_by_the_rule_as_it_stands() -> None:
    submit = make_submit("a", [1, 2, 3], max_tokens=60, temperature=0.0, logit_bias={7: 50.0})
    plain, drafted = (Engine("llama3", most).run([submit]) for most in (0, 8))
    assert_same(drafted, plain)
    assert drafted.scheduler.counters.num_steps < plain.scheduler.counters.num_steps / 2


BODY: dict[str, Any] = {
    "prompt": "round and round and round and",
    "max_tokens": 90,
    "temperature": 0,
    "logit_bias": {"72": 60, "73": 60},
    "frequency_penalty": 0.5,
    "ignore_eos": True,
    "return_token_ids": True,
    "logprobs": 1,
}


def accepted(forge: LaunchedForge) -> float:
    with urllib.request.urlopen(f"{forge.url}/metrics") as reply:  # noqa: S310 - our own address
        lines = reply.read().decode().splitlines()
    [value] = [
        line for line in lines if line.startswith("vllm:spec_decode_num_accepted_tokens_total")
    ]
    return float(value.split()[-1])


@pytest.mark.integration
@pytest.mark.parametrize("changes", [{}, {"stop": ["ghghg"]}, {"n": 2}, {"logprobs": None}])
def test_reply_is_the_same_over_http(shared_forge: LaunchedForge, changes: dict[str, Any]) -> None:
    body = {**BODY, **changes}
    before = accepted(shared_forge)
    plain = shared_forge.post("/v1/completions", **body, speculative=False)
    assert accepted(shared_forge) == before
    drafted = shared_forge.post("/v1/completions", **body)
    for ours, expected in zip(drafted["choices"], plain["choices"], strict=True):
        our_scores, scores = ours.pop("logprobs"), expected.pop("logprobs")
        assert ours == expected
        if scores is not None:
            assert our_scores["tokens"] == scores["tokens"]
            assert our_scores["text_offset"] == scores["text_offset"]
            values = pytest.approx(scores["token_logprobs"], abs=1e-3)
            assert our_scores["token_logprobs"] == values
    assert drafted["usage"]["completion_tokens"] == plain["usage"]["completion_tokens"]


@pytest.mark.integration
def test_accepted_drafts_are_streamed_as_chunks_of_several_tokens(
    shared_forge: LaunchedForge,
) -> None:
    before = accepted(shared_forge)
    body = {**BODY, "frequency_penalty": 0, "logit_bias": {"72": 80}}
    whole = shared_forge.post("/v1/completions", **body, speculative=False)["choices"][0]
    with shared_forge.open("/v1/completions", **body, stream=True) as reply:
        lines = [line[6:] for line in reply.read().decode().splitlines() if line[:6] == "data: "]
    chunks = [json.loads(line)["choices"][0] for line in lines[:-1]]
    assert "".join(chunk["text"] for chunk in chunks) == whole["text"]
    token_ids = [chunk.get("token_ids") or [] for chunk in chunks]
    assert list(chain.from_iterable(token_ids)) == whole["token_ids"]
    assert max(map(len, token_ids)) > 1
    tokens = [chunk["logprobs"]["tokens"] for chunk in chunks if chunk["logprobs"]]
    assert list(chain.from_iterable(tokens)) == whole["logprobs"]["tokens"]
    assert accepted(shared_forge) > before
