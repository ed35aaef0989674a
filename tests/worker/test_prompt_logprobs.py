"""Logprobs of prompts and outputs through the runner: every token once, however it is chunked."""

from __future__ import annotations

import pytest

import forge_worker.model_runner as model_runner
from forge_worker.sampler.sampler import NOT_FINITE
from tests.worker.fakes import LIMITS, FakeModel, FakeSequence, fake_runner, step

PROMPT = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]


def prompt_logprobs(chunks: list[int], model: FakeModel | None = None, **params):
    """What each step of `chunks` tokens answers."""
    asked = {"num_prompt_logprobs": 3, **params}
    runner, sequence = fake_runner(model), FakeSequence(1, PROMPT, list(range(10)), **asked)
    return [step(runner, sequence, num_tokens=n).sequences[0].prompt_logprobs for n in chunks]


def test_every_prompt_token_but_the_first_is_scored_once() -> None:
    (whole,) = prompt_logprobs([11])
    assert [entry.chosen.token_id for entry in whole] == PROMPT[1:]
    assert all(len(entry.top) == 3 for entry in whole)


@pytest.mark.parametrize("chunks", [[1] * 11, [4, 4, 3], [10, 1]])
def test_chunks_score_the_tokens_after_their_own(chunks) -> None:
    (whole,) = prompt_logprobs([11])
    parts = prompt_logprobs(chunks)
    assert [entry for part in parts for entry in part] == whole
    assert [len(part) for part in parts[:-1]] == chunks[:-1]


def test_outputs_are_not_scored_as_prompt() -> None:
    assert prompt_logprobs([11, 1, 1])[1:] == [[], []]


def test_sequence_that_did_not_ask_gets_none() -> None:
    assert prompt_logprobs([11], num_prompt_logprobs=None) == [None]


def test_long_prompts_are_scored_a_slice_at_a_time(monkeypatch) -> None:
    monkeypatch.setattr(model_runner, "SCORED_VALUES", 3 * LIMITS.vocab_size)
    model = FakeModel()
    assert len(prompt_logprobs([11], model)[0]) == 10
    assert model.largest_logits_request == 3


def test_prompt_position_that_is_not_finite_fails_its_sequence() -> None:
    runner = fake_runner(FakeModel(broken_token=9))
    bad = FakeSequence(1, PROMPT, list(range(10)), num_prompt_logprobs=0)
    good = FakeSequence(2, [1, 2], [20], num_prompt_logprobs=0)
    output = step(runner, bad, good)
    assert [sampled.error for sampled in output.sequences] == [NOT_FINITE, None]


def test_output_logprobs_name_the_sampled_token() -> None:
    runner = fake_runner()
    asked = FakeSequence(1, PROMPT, list(range(10)), num_logprobs=5, temperature=0.0)
    silent = FakeSequence(2, PROMPT, list(range(20, 30)))
    sampled, other = step(runner, silent, asked).sequences[::-1]
    (entry,) = sampled.logprobs
    assert entry.chosen == entry.top[0]
    assert entry.chosen.token_id == sampled.token_ids[0]
    assert other.logprobs is None


def test_logprobs_are_those_of_raw_logits() -> None:
    params = {"temperature": 0.0, "logit_bias": {7: 100.0}, "num_logprobs": 0}
    runner, biased = fake_runner(), FakeSequence(1, PROMPT, list(range(10)), **params)
    (entry,) = step(runner, biased).sequences[0].logprobs
    assert entry.chosen.token_id == 7
    assert entry.chosen.logprob < -0.1
