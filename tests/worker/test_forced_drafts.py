"""What a worker foretells can be drafted: the same tokens come, in fewer steps."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import pytest

from forge_common.checkpoint import Checkpoint
from forge_common.config import DeviceSettings
from forge_common.demo_model import demo_model_path
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.protocol.scheduler_worker import SampledSequence
from forge_common.tokenizer import Tokenizer
from forge_worker.constraints import Constraints
from forge_worker.grammar_engine import engine_for
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import load_model
from forge_worker.models.registry import Model
from tests.worker.fakes import LIMITS, FakeSequence, step
from tests.worker.grammars import END, PERSON, VOCAB_SIZE, constraints, is_person, text_of
from tests.worker.test_drafts import DRAFTING, DraftedSequence, assert_alike
from tests.worker.test_same_tokens import model_of
from tests.worker.tiny_models import make_tiny_model

MAX_TOKENS = 60
KINDS: dict[str, dict[str, object]] = {
    "greedy": {"temperature": 0.0},
    "hot": {"temperature": 1.5},
    "filtered": {"temperature": 0.8, "top_k": 20, "top_p": 0.9},
    "penalties": {"temperature": 0.7, "repetition_penalty": 1.3, "frequency_penalty": 0.9},
    "logprobs": {"num_logprobs": 3},
    "another choice": {"choice_index": 3},
    "allowed": {"allowed_token_ids": tuple(range(VOCAB_SIZE))},
}


class Foretold(DraftedSequence):
    """Drafts what its worker foretells, all of it, or nothing."""

    def __init__(
        self, number: int, params: dict[str, object], *, is_drafting: bool, most: int = 8
    ) -> None:
        super().__init__(number, params, [], seed=0)
        self.foretold: list[int] = []
        self.is_drafting = is_drafting
        self.num_accepted = 0
        self.num_steps = 0
        self.most = most

    def drafts(self) -> list[int]:
        return self.foretold[: self.most] if self.is_drafting else []

    @property
    def said(self) -> list[int]:
        """What it put out, up to its end: behind that nothing counts."""
        ends = [place for place, token_id in enumerate(self.output) if token_id == END]
        return self.output[: ends[0] + 1] if ends else self.output

    def take(self, sampled: SampledSequence) -> None:
        super().take(sampled)
        self.foretold = list(sampled.forced_token_ids)
        self.num_accepted += len(sampled.token_ids) - 1
        self.num_steps += 1


def runner_for(model: Model) -> ModelRunner:
    limits = DRAFTING._replace(vocab_size=VOCAB_SIZE)
    cache = allocate_kv_cache(model.config, model.ops, limits.num_blocks, limits.block_size)
    return ModelRunner(model, cache, limits, constraints())


def finish(runner: ModelRunner, *sequences: Foretold) -> None:
    released: list[int] = []
    while going := [one for one in sequences if END not in one.output]:
        step(runner, *going, released=released)
        released = [one.sequence_id for one in going if END in one.output]


def person(number: int, *, is_drafting: bool, **params: object) -> Foretold:
    grammar = {"grammar": PERSON, "eos_token_ids": (END,), "max_tokens": MAX_TOKENS}
    return Foretold(number, {**grammar, **params}, is_drafting=is_drafting)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["llama3", "mistral", "qwen3"])
def test_foretold_tokens_drafted_change_nothing_but_the_steps(name: str, kind: str) -> None:
    num_accepted = 0
    for seed in range(2):
        params = {"seed": seed, **KINDS[kind]}
        plain = person(1, is_drafting=False, **params)
        drafted = person(1, is_drafting=True, **params)
        finish(runner_for(model_of(name)), plain)
        finish(runner_for(model_of(name)), drafted)
        assert drafted.said == plain.output
        assert is_person(text_of(drafted.said[:-1]))
        assert_alike(drafted.logprobs[: len(plain.logprobs)], plain.logprobs)
        assert drafted.num_steps + drafted.num_accepted >= plain.num_steps
        num_accepted += drafted.num_accepted
    assert num_accepted > 0


@pytest.mark.parametrize("seed", range(4))
def test_random_models_too_and_others_in_the_batch(tmp_path: Path, seed: int) -> None:
    model = make_tiny_model(tmp_path, threads=1, vocab_size=VOCAB_SIZE)
    kinds = [KINDS[kind] for kind in ("greedy", "hot", "penalties")]
    outputs = []
    for is_drafting in (False, True):
        sequences = [
            person(number, is_drafting=is_drafting and number != 2, seed=seed, **kind)
            for number, kind in enumerate(kinds, start=1)
        ]
        finish(runner_for(model), *sequences)
        outputs.append([sequence.said for sequence in sequences])
    assert outputs[0] == outputs[1]


def test_what_one_runner_has_learnt_changes_no_later_text() -> None:
    runner = runner_for(model_of("llama3"))
    alone = [person(1, is_drafting=False, seed=seed, temperature=1.2) for seed in range(5)]
    for one in alone:
        finish(runner_for(model_of("llama3")), one)
    one_by_one = [person(1, is_drafting=True, seed=seed, temperature=1.2) for seed in range(5)]
    for one in one_by_one:
        finish(runner, one)
        step(runner, released=[1])
    assert [one.said for one in one_by_one] == [one.output for one in alone]


def test_preempted_in_the_midst_of_what_is_forced_goes_on_the_same() -> None:
    plain = person(1, is_drafting=False, seed=4)
    finish(runner_for(model_of("llama3")), plain)
    for num_steps in range(1, 6):
        runner, drafted = runner_for(model_of("llama3")), person(1, is_drafting=True, seed=4)
        for _ in range(num_steps):
            step(runner, drafted)
        drafted.start_over(list(range(40, 56)))
        drafted.foretold = []
        finish(runner, drafted)
        assert drafted.said == plain.output


def test_worker_that_takes_no_drafts_foretells_nothing() -> None:
    model = model_of("llama3")
    cache = allocate_kv_cache(model.config, model.ops, LIMITS.num_blocks, LIMITS.block_size)
    runner = ModelRunner(model, cache, LIMITS._replace(vocab_size=VOCAB_SIZE), constraints())
    sequence = FakeSequence(1, [3, 14, 15], list(range(16)), grammar=PERSON)
    for _ in range(5):
        assert step(runner, sequence).sequences[0].forced_token_ids == []


class Demo:
    """The demo model as it is, with its own tokenizer."""

    def __init__(self) -> None:
        self.tokenizer = Tokenizer.open(demo_model_path())
        device = DeviceSettings(threads=1, cpu_kernels="numpy")
        self.model = load_model(demo_model_path(), device, lambda done, total: None)
        self.constraints = Constraints(engine_for(demo_model_path()))
        with Checkpoint.open(demo_model_path()) as checkpoint:
            self.end_ids = checkpoint.generation.eos_token_ids

    def run(self, schema: dict[str, object], *, is_drafting: bool, **params: object) -> Foretold:
        limits = LIMITS._replace(
            vocab_size=self.model.config.vocab_size,
            max_model_len=256,
            block_size=16,
            max_draft_tokens=15,
        )
        cache = allocate_kv_cache(self.model.config, self.model.ops, limits.num_blocks, 16)
        runner = ModelRunner(self.model, cache, limits, self.constraints)
        grammar = msgspec.msgpack.encode(compile_schema(schema, SchemaOptions()))
        sequence = Foretold(
            1, {"grammar": grammar, "max_tokens": 200, **params}, is_drafting=is_drafting, most=15
        )
        while not set(self.end_ids) & set(sequence.output) and len(sequence.output) < 60:
            step(runner, sequence)
        return sequence


@cache
def demo() -> Demo:
    return Demo()


ORDER: dict[str, object] = {
    "type": "object",
    "properties": {
        "is_recurring_customer": {"type": "boolean"},
        "method": {"enum": ["credit card", "bank transfer", "bänk"]},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 6}},
                "required": ["name"],
                "additionalProperties": False,
            },
            "minItems": 2,
            "maxItems": 3,
        },
    },
    "required": ["is_recurring_customer", "method", "lines"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_keys_of_a_schema_are_drafted_for_the_demo_model(temperature: float) -> None:
    plain, drafted = (
        demo().run(ORDER, is_drafting=is_drafting, temperature=temperature)
        for is_drafting in (False, True)
    )
    length = min(len(plain.output), len(drafted.output))
    assert drafted.output[:length] == plain.output[:length]
    assert drafted.num_steps < plain.num_steps * 2 / 3
