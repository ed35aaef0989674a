"""NativeSampler: the tokens of the NumPy sampler, whatever is asked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from forge_common.sampling import SamplingParams
from forge_worker.cpu.native.pool import NativePool
from forge_worker.cpu.native.sampler import NativeSampler
from forge_worker.sampler.grammar_mask import MaskWords
from forge_worker.sampler.sampler import ALL_RULED_OUT, NOT_FINITE, Draws, Sampler, Wanted
from forge_worker.sampler.table import History, SamplingTable
from tests.worker.cpu.native.native_ops import best, kernels
from tests.worker.fakes import sampling

HISTORY = History([1, 2, 3], [4, 5, 5])
NUM_ROWS = 24
MAX_DIFFERENCES = 0.001  # of the draws: those where two scores are as close as rounding is


class Batch(NamedTuple):
    logits: np.ndarray
    table: SamplingTable
    masks: dict[int, MaskWords]

    def wanted(self, rows: np.ndarray, position: int) -> Wanted:
        places = np.full(len(rows), position, np.int32)
        return Wanted(rows.astype(np.int32), places, self.masks)


def random_params(draw: np.random.Generator) -> SamplingParams:
    fields: dict[str, object] = {
        "temperature": float(draw.choice([0, 0.3, 0.7, 1, 1.5])),
        "top_k": int(draw.choice([0, 0, 1, 5, 50, 400, 5000])),
        "top_p": float(draw.choice([1, 1, 0.1, 0.5, 0.9, 0.95, 0.999])),
        "min_p": float(draw.choice([0, 0, 0.05])),
        "seed": int(draw.integers(2**63)),
    }
    optional: list[dict[str, object]] = [
        {"repetition_penalty": 1.3, "frequency_penalty": 0.4, "presence_penalty": 0.2},
        {"logit_bias": {3: 2.0, 7: -3.0}},
        {"bad_words": ((1,), (5, 9)), "min_tokens": 9, "eos_token_ids": (2,)},
        {"allowed_token_ids": tuple(range(0, 40, 3))},
    ]
    for more in optional:
        if draw.random() < 0.2:
            fields |= more
    return sampling(**fields)


def random_mask(draw: np.random.Generator, vocab_size: int) -> MaskWords:
    """Always with token 9, which no other rule takes away."""
    bits = np.zeros(-(-vocab_size // 32) * 32, np.bool_)
    bits[:vocab_size] = draw.random(vocab_size) < draw.choice([0.02, 0.5, 0.95])
    bits[9] = True
    return np.packbits(bits, bitorder="little").view(np.uint32)


def random_batch(seed: int, vocab_size: int) -> Batch:
    """Of flat and of peaked rows, some of them full of equal logits."""
    draw = np.random.default_rng(seed)
    spreads = draw.choice([0.0, 0.5, 3.0, 8.0], NUM_ROWS)
    logits = (spreads[:, None] * draw.standard_normal((NUM_ROWS, vocab_size))).astype(np.float32)
    logits[::4] = np.round(logits[::4])
    table = SamplingTable(NUM_ROWS, vocab_size)
    for row in range(NUM_ROWS):
        table.set(row, random_params(draw), int(draw.integers(5)), HISTORY)
    masks = {row: random_mask(draw, vocab_size) for row in range(0, NUM_ROWS, 3)}
    return Batch(logits, table, masks)


def native(table: SamplingTable, num_threads: int = 1) -> NativeSampler:
    return NativeSampler(table, NativePool(num_threads), kernels(best()).sample())


def draws_of(asked: list[dict], logits: np.ndarray) -> Draws:
    table = SamplingTable(len(logits), logits.shape[1])
    for row, params in enumerate(asked):
        table.set(row, sampling(**params), 0, HISTORY)
    rows = np.arange(len(logits), dtype=np.int32)
    return native(table).sample(logits, Wanted(rows, rows))


@pytest.mark.parametrize("vocab_size", [50, 64, 777, 32000])
def test_tokens_are_those_of_the_numpy_sampler(vocab_size: int) -> None:
    num_different = num_drawn = 0
    for seed in range(4):
        batch = random_batch(seed, vocab_size)
        ours, reference = native(batch.table), Sampler(batch.table)
        rows = np.random.default_rng(seed).permutation(NUM_ROWS)
        for position in range(5):
            wanted = batch.wanted(rows, position)
            expected = reference.sample(batch.logits[rows], wanted)
            drawn = ours.sample(batch.logits[rows], wanted)
            assert drawn.errors == expected.errors
            num_different += np.count_nonzero(drawn.token_ids != expected.token_ids)
            num_drawn += NUM_ROWS
    assert num_different <= MAX_DIFFERENCES * num_drawn


@pytest.mark.parametrize("vocab_size", [50, 40_000])
def test_row_draws_the_same_alone_and_in_a_batch_on_any_threads(vocab_size: int) -> None:
    batch = random_batch(9, vocab_size)
    everyone = np.arange(NUM_ROWS)
    together = native(batch.table, num_threads=3).sample(batch.logits, batch.wanted(everyone, 4))
    alone = native(batch.table)
    for row in everyone:
        one = everyone[row : row + 1]
        drawn = alone.sample(batch.logits[one], batch.wanted(one, 4))
        assert drawn.token_ids[0] == together.token_ids[row]


@pytest.mark.parametrize("params", [{"temperature": 0.0}, {}, {"top_k": 3}, {"top_p": 0.5}])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_row_that_is_not_finite_fails_alone(params: dict, bad: float) -> None:
    asked = [params] * 3
    logits = np.random.default_rng(0).standard_normal((3, 500)).astype(np.float32)
    sound = draws_of(asked, logits).token_ids.tolist()
    logits[1, 499] = bad
    draws = draws_of(asked, logits)
    assert draws.errors == {1: NOT_FINITE}
    assert draws.token_ids.tolist() == [sound[0], 0, sound[2]]


def test_row_with_every_token_ruled_out_fails_alone() -> None:
    params = {"allowed_token_ids": (4,), "eos_token_ids": (4,), "min_tokens": 9}
    draws = draws_of([params, {}], np.zeros((2, 100), np.float32))
    assert draws.errors == {0: ALL_RULED_OUT}
    assert draws.token_ids[0] == 0


def test_greedy_takes_the_lower_of_equal_tokens() -> None:
    logits = np.zeros((2, 200), np.float32)
    logits[0, [70, 130]] = logits[1, [199, 198]] = 7
    draws = draws_of([{"temperature": 0.0}] * 2, logits)
    assert draws.token_ids.tolist() == [70, 198]


def test_top_k_keeps_the_lower_of_equal_tokens() -> None:
    logits = np.zeros((300, 200), np.float32)
    drawn = draws_of([{"top_k": 3, "seed": seed} for seed in range(300)], logits)
    assert set(drawn.token_ids.tolist()) == {0, 1, 2}


def test_logits_are_left_as_they_were() -> None:
    batch = random_batch(2, 500)
    before = batch.logits.copy()
    native(batch.table).sample(batch.logits, batch.wanted(np.arange(NUM_ROWS), 1))
    np.testing.assert_array_equal(batch.logits, before)


def test_nothing_to_sample_draws_nothing() -> None:
    assert len(draws_of([], np.zeros((0, 50), np.float32)).token_ids) == 0
