"""Drafts change how many tokens a step gives, and nothing about the tokens."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import pytest

from forge_common.errors import WorkerError
from forge_common.protocol.message import PositionLogprobs
from forge_common.protocol.scheduler_worker import RunBatch, SampledSequence, ScheduledSequence
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.sampler.sampler import ALL_RULED_OUT
from tests.worker.fakes import LIMITS, FakeModel, FakeSequence, fake_runner, no_grammars, step
from tests.worker.grammars import END, PERSON, VOCAB_SIZE, constraints, is_person, text_of
from tests.worker.test_same_tokens import model_of
from tests.worker.tiny_models import make_tiny_model

PROMPT = [3, 14, 15, 9, 26, 3, 14, 15, 9, 32, 38]
NUM_TOKENS = 30
KINDS: dict[str, dict[str, object]] = {
    "greedy": {"temperature": 0.0},
    "sampled": {},
    "filtered": {"temperature": 0.8, "top_k": 20, "top_p": 0.95, "min_p": 0.01},
    "penalties": {
        "temperature": 0.7,
        "repetition_penalty": 1.3,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.9,
    },
    "greedy with penalties": {"temperature": 0.0, "frequency_penalty": 0.7},
    "bias": {"logit_bias": {7: 3.0, 8: 2.0}, "temperature": 0.4},
    "allowed": {"allowed_token_ids": tuple(range(10, 16))},
    "bad words": {"bad_words": ((7,), (5, 6), (9, 9)), "allowed_token_ids": (5, 6, 9, 11)},
    "ends too early": {"min_tokens": 9, "eos_token_ids": tuple(range(0, 40, 2))},
    "another choice": {"choice_index": 3},
    "logprobs": {"num_logprobs": 3},
    "prompt logprobs": {"num_prompt_logprobs": 2, "num_logprobs": 0},
}
DRAFTING = LIMITS._replace(max_draft_tokens=8)


class Plain(NamedTuple):
    token_ids: list[int]
    logprobs: list[PositionLogprobs]


def runner_of(name: str) -> ModelRunner:
    if name == "fake":
        return fake_runner(limits=DRAFTING)
    model = model_of(name)
    limits = DRAFTING._replace(vocab_size=model.config.vocab_size)
    cache = allocate_kv_cache(model.config, model.ops, limits.num_blocks, limits.block_size)
    return ModelRunner(model, cache, limits, no_grammars())


class DraftedSequence(FakeSequence):
    """Guided by what plain decoding gave: drafts are right up to a place of chance."""

    def __init__(self, number: int, params: dict[str, object], truth: list[int], seed: int) -> None:
        params = dict(params)
        self.choice_index = int(str(params.pop("choice_index", 0)))
        super().__init__(number, PROMPT, list(range(16 * number, 16 * number + 16)), **params)
        self.truth = truth
        self.chance = random.Random(seed)
        self.logprobs: list[PositionLogprobs] = []

    def introduction(self):
        new = super().introduction()
        return type(new)(
            new.sequence_id, self.choice_index, new.token_ids, new.num_prompt_tokens, new.sampling
        )

    def drafts(self) -> list[int]:
        num_known = len(self.output)
        drafts = self.truth[num_known : num_known + self.chance.randint(0, 8)]
        if drafts and self.chance.random() < 0.6:
            wrong = self.chance.randrange(len(drafts))
            drafts[wrong] = (drafts[wrong] + 1) % 40
        return drafts

    def schedule(self, num_tokens=None, block_size=LIMITS.block_size) -> ScheduledSequence:
        drafts = self.drafts()
        start = self.num_computed
        end = len(self.token_ids) + len(drafts)
        needed = -(-end // block_size)
        fresh = self.blocks[self.num_sent_blocks : needed]
        self.num_sent_blocks = max(needed, self.num_sent_blocks)
        return ScheduledSequence(self.sequence_id, start, end - start, fresh, True, drafts)

    def take(self, sampled: SampledSequence) -> None:
        assert sampled.error is None
        self.num_computed = len(self.token_ids) + len(sampled.token_ids) - 1
        self.token_ids += sampled.token_ids
        self.logprobs += sampled.logprobs or []


def plain(name: str, params: dict[str, object], num_tokens: int = NUM_TOKENS) -> Plain:
    sequence = DraftedSequence(1, params, [], seed=0)
    runner = runner_of(name)
    for _ in range(num_tokens):
        step(runner, sequence)
    return Plain(sequence.output, sequence.logprobs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["fake", "llama3", "mistral", "qwen3"])
def test_drafted_equals_plain(name: str, kind: str) -> None:
    expected = plain(name, KINDS[kind])
    for seed in range(3):
        runner = runner_of(name)
        sequence = DraftedSequence(1, KINDS[kind], expected.token_ids, seed)
        num_steps = 0
        while len(sequence.output) < NUM_TOKENS:
            step(runner, sequence)
            num_steps += 1
        assert sequence.output[:NUM_TOKENS] == expected.token_ids
        assert num_steps < NUM_TOKENS
        assert_alike(sequence.logprobs[:NUM_TOKENS], expected.logprobs)


def assert_alike(ours: list[PositionLogprobs], expected: list[PositionLogprobs]) -> None:
    assert [entry.chosen.token_id for entry in ours] == [e.chosen.token_id for e in expected]
    for one, other in zip(ours, expected, strict=True):
        assert one.chosen.logprob == pytest.approx(other.chosen.logprob, abs=1e-4)
        assert [t.token_id for t in one.top] == [t.token_id for t in other.top]


@pytest.mark.parametrize("name", ["fake", "llama3"])
def test_drafted_and_plain_sequences_share_steps(name: str) -> None:
    kinds = ["penalties", "greedy", "bad words"]
    expected = [plain(name, KINDS[kind]) for kind in kinds]
    runner = runner_of(name)
    sequences = [
        DraftedSequence(number, KINDS[kind], known.token_ids if number != 2 else [], number)
        for number, (kind, known) in enumerate(zip(kinds, expected, strict=True), start=1)
    ]
    while going := [s for s in sequences if len(s.output) < NUM_TOKENS]:
        step(runner, *going)
    for sequence, known in zip(sequences, expected, strict=True):
        assert sequence.output[:NUM_TOKENS] == known.token_ids


def test_preempted_after_drafts_equals_plain() -> None:
    expected = plain("llama3", KINDS["penalties"])
    runner = runner_of("llama3")
    sequence = DraftedSequence(1, KINDS["penalties"], expected.token_ids, 5)
    for _ in range(4):
        step(runner, sequence)
    sequence.start_over(list(range(40, 56)))
    while len(sequence.output) < NUM_TOKENS:
        step(runner, sequence)
    assert sequence.output[:NUM_TOKENS] == expected.token_ids


def test_error_after_accepted_drafts_comes_in_a_step_of_its_own() -> None:
    """As in plain decoding, where the tokens before it were answered."""
    params = {"allowed_token_ids": (5,), "bad_words": ((5, 5, 5),)}
    sequence = DraftedSequence(1, params, [5, 5], seed=0)
    sequence.drafts = lambda: [5, 5, 5][len(sequence.output) :]  # type: ignore[method-assign]
    runner = runner_of("fake")
    step(runner, sequence)
    assert sequence.output == [5, 5]
    part = ScheduledSequence(1, len(PROMPT) + 1, 1, [], True)
    error = runner.run(RunBatch(1, [], [], [part])).sequences[0].error
    assert error is not None
    assert (error.code, error.param) == (ALL_RULED_OUT.code, "allowed_token_ids")


def test_draft_that_is_not_finite_fails_nobody(tmp_path) -> None:
    """Its keys and values are seen with weight 0, and 0 · NaN is NaN."""
    model = make_tiny_model(tmp_path)
    model.embed_tokens[39] = np.nan
    limits = DRAFTING._replace(vocab_size=40)
    outputs = []
    for drafts in ([], [39, 39], [39]):
        cache = allocate_kv_cache(model.config, model.ops, limits.num_blocks, limits.block_size)
        runner = ModelRunner(model, cache, limits, no_grammars())
        params = {"temperature": 0.0, "bad_words": ((39,),), "num_prompt_logprobs": 1}
        one = DraftedSequence(1, params, [], seed=0)
        other = DraftedSequence(2, {**params, "seed": 3}, [], seed=0)
        one.drafts = lambda drafts=drafts: drafts  # type: ignore[method-assign]
        for _ in range(5):
            step(runner, one, other)
        outputs.append((one.output, other.output))
    assert outputs[0] == outputs[1] == outputs[2]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (ScheduledSequence(1, 0, 20, [0, 1, 2, 3, 4], True, [7] * 9), "drafts at most"),
        (ScheduledSequence(1, 0, 12, [0, 1, 2], True, [50]), "not in the vocabulary"),
        (ScheduledSequence(1, 11, 1, [0, 1, 2], True, [5]), "without the token before"),
        (ScheduledSequence(1, 0, 12, [0, 1, 2], False, [5]), "sample exactly"),
        (ScheduledSequence(1, 0, 5, [0, 1, 2], False, [5]), "in the midst"),
        (ScheduledSequence(1, 0, 13, [0, 1, 2], True, [5, 6]), "no block"),
    ],
)
def test_drafts_that_break_the_contract_are_refused(part, reason) -> None:
    runner = fake_runner(limits=DRAFTING)
    new = FakeSequence(1, PROMPT, []).introduction()
    with pytest.raises(WorkerError, match=reason):
        runner.run(RunBatch(0, [], [new], [part]))


def test_worker_that_takes_no_drafts_refuses_them() -> None:
    runner = fake_runner(FakeModel(), LIMITS)
    new = FakeSequence(1, PROMPT, []).introduction()
    part = ScheduledSequence(1, 0, 12, [0, 1, 2], True, [5])
    with pytest.raises(WorkerError, match="0 drafts at most"):
        runner.run(RunBatch(0, [], [new], [part]))


@pytest.mark.parametrize("seed", range(5))
def test_drafts_of_a_grammar_are_masked_position_by_position(seed: int) -> None:
    """Right ones, wrong ones that it allows or not, and ones past its end."""
    params = {"grammar": PERSON, "temperature": 1.5, "seed": seed, "eos_token_ids": (END,)}

    def said(truth: list[int]) -> tuple[list[int], int]:
        model = model_of("llama3")
        cache = allocate_kv_cache(model.config, model.ops, LIMITS.num_blocks, LIMITS.block_size)
        limits = DRAFTING._replace(vocab_size=VOCAB_SIZE)
        runner = ModelRunner(model, cache, limits, constraints())
        sequence, num_steps = DraftedSequence(1, params, truth, seed), 0
        while END not in sequence.output:
            step(runner, sequence)
            num_steps += 1
        return sequence.output[: sequence.output.index(END) + 1], num_steps

    expected, num_plain = said([])
    drafted, num_steps = said([*expected, END, 5, 5])
    assert drafted == expected
    assert is_person(text_of(drafted[:-1]))
    assert num_steps < num_plain
