"""The whole sampler: order of stages, rows that do not touch one another, faults."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.sampler.sampler import ALL_RULED_OUT, NOT_FINITE, Draws, Sampler, Wanted
from forge_worker.sampler.table import History, SamplingTable
from tests.worker.fakes import sampling
from tests.worker.sampler.reference import ruled, surviving

KINDS = [
    {"temperature": 0.0},
    {},
    {"min_p": 0.1},
    {"top_k": 5},
    {"top_p": 0.8},
    {"temperature": 0.5, "top_k": 30, "top_p": 0.9, "min_p": 0.01},
    {"repetition_penalty": 1.4, "top_k": 7},
    {"temperature": 0.0, "frequency_penalty": 2.0},
    {"temperature": 0.0, "logit_bias": {3: 100.0}},
    {"bad_words": ((1,),), "allowed_token_ids": (1, 2, 3)},
]
HISTORY = History([1, 2, 3], [4, 5, 5])


def sample(logits: np.ndarray, asked: list[dict], num_threads: int = 1, position: int = 9) -> Draws:
    table = SamplingTable(len(logits), logits.shape[1])
    for row, params in enumerate(asked):
        table.set(row, sampling(**params), 0, HISTORY)
    rows = np.arange(len(logits), dtype=np.int32)
    wanted = Wanted(rows, np.full(len(logits), position, np.int32))
    return Sampler(table, num_threads).sample(logits, wanted)


def random_logits(num_rows: int, vocab_size: int = 500, spread: float = 3.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, spread, (num_rows, vocab_size)).astype(np.float32)


@pytest.mark.parametrize("vocab_size", [50, 500, 40_000])
@pytest.mark.parametrize("num_threads", [1, 2])
def test_row_in_a_batch_draws_as_it_does_alone(vocab_size, num_threads) -> None:
    asked = KINDS * 3
    logits = random_logits(len(asked), vocab_size)
    together = sample(logits, asked, num_threads).token_ids.tolist()
    alone = [sample(logits[i : i + 1], asked[i : i + 1]) for i in range(len(asked))]
    assert together == [draws.token_ids[0] for draws in alone]


@pytest.mark.parametrize("params", KINDS)
def test_only_tokens_that_all_stages_leave_are_drawn(params) -> None:
    logits, asked = random_logits(1, 40), sampling(**params)
    after_rules = ruled(logits[0].tolist(), asked, *HISTORY)
    best = max(range(40), key=lambda t: (after_rules[t], -t))
    allowed = surviving(after_rules, asked) if asked.temperature else {best}
    drawn = {int(sample(logits, [params], position=i).token_ids[0]) for i in range(30)}
    assert drawn <= allowed


def test_greedy_takes_the_lower_of_equal_tokens() -> None:
    logits = np.array([[1, 7, 7, 2]], np.float32)
    assert sample(logits, [{"temperature": 0.0}]).token_ids.tolist() == [1]


@pytest.mark.parametrize("temperature", [1e-45, 1e-30, 1e-5])
def test_tiny_temperature_is_greedy(temperature) -> None:
    logits = random_logits(1)
    assert sample(logits, [{"temperature": temperature}]).token_ids[0] == logits.argmax()


@pytest.mark.parametrize("kind", range(len(KINDS)))
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_row_that_is_not_finite_fails_alone(kind, bad) -> None:
    logits, asked = random_logits(3), [KINDS[kind], KINDS[5], KINDS[1]]
    sound = sample(logits, asked).token_ids.tolist()
    logits[0, 2] = bad
    draws = sample(logits, asked)
    assert draws.errors == {0: NOT_FINITE}
    assert draws.token_ids.tolist() == [0, *sound[1:]]


def test_row_with_every_token_ruled_out_fails_alone() -> None:
    params = {"allowed_token_ids": (4,), "eos_token_ids": (4,), "min_tokens": 9}
    draws = sample(random_logits(2), [params, {}])
    assert draws.errors == {0: ALL_RULED_OUT}


def test_logits_are_left_as_they_were() -> None:
    logits = random_logits(len(KINDS))
    before = logits.copy()
    sample(logits, KINDS)
    np.testing.assert_array_equal(logits, before)


def test_nothing_to_sample_draws_nothing() -> None:
    assert len(sample(random_logits(0), []).token_ids) == 0
