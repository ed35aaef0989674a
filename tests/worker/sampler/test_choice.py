"""The draw: its distribution, its noise, and that it depends on nothing but its row."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.sampler.choice import (
    NOISE_RANGE,
    Streams,
    choose,
    choose_of,
    noise_from_bits,
)
from forge_worker.sampler.filters import Candidates

NO_FLOOR = np.array([-np.inf], np.float32)


def streams(num_rows: int, seed: int = 1, first_position: int = 0, choice: int = 0) -> Streams:
    return Streams(
        np.full(num_rows, seed, np.uint64),
        np.full(num_rows, choice, np.uint64),
        np.arange(first_position, first_position + num_rows, dtype=np.uint64),
    )


def draws_of(probabilities: np.ndarray, num_draws: int, seed: int) -> np.ndarray:
    logits = np.log(probabilities.astype(np.float32))
    values = np.tile(logits - logits.max(), (num_draws, 1))
    return choose(values, np.tile(NO_FLOOR, num_draws), streams(num_draws, seed))


@pytest.mark.parametrize("seed", [1, 2, 2**40 + 3])
def test_draws_follow_the_distribution(seed) -> None:
    probabilities = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.04, 0.01])
    num_draws = 20_000
    counts = np.bincount(draws_of(probabilities, num_draws, seed), minlength=8)
    expected = probabilities * num_draws
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 24.3  # 7 degrees of freedom: exceeded by chance once in 1000


def test_unlikely_tokens_are_drawn_as_often_as_they_should() -> None:
    probabilities = np.full(4001, 1e-6)
    probabilities[0] = 1 - 4e-3
    counts = np.bincount(draws_of(probabilities, 4000, 3), minlength=4001)
    assert 4 <= counts[1:].sum() <= 32  # 16 expected


def test_noise_stays_within_the_range_that_pruning_relies_on() -> None:
    noise = noise_from_bits(np.array([0, 1, 2**31, 2**32 - 2, 2**32 - 1], np.uint32))
    assert np.isfinite(noise).all()
    assert (np.diff(noise) <= 0).all()
    assert noise.max() - noise.min() <= NOISE_RANGE


def test_noise_is_that_of_the_documented_formula() -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 1000, np.uint32)
    exact = -np.log(-np.log1p(-(bits.astype(np.float64) + 0.5) / 2**32))
    np.testing.assert_allclose(noise_from_bits(bits), exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("vocab_size", [1, 3, 4, 1000, 4097, 20_001])
def test_few_candidates_draw_the_same_noise_as_whole_rows(vocab_size) -> None:
    values = np.random.default_rng(vocab_size).normal(-5, 1, (3, vocab_size)).astype(np.float32)
    rows, token_ids = np.divmod(np.arange(values.size), vocab_size)
    whole = choose(values, np.tile(NO_FLOOR, 3), streams(3))
    flat = choose_of(Candidates(rows, token_ids, values.reshape(-1)), streams(3))
    assert whole.tolist() == flat.tolist()


def test_pruned_tokens_could_not_have_won() -> None:
    values = np.full((64, 400), -NOISE_RANGE - 1, np.float32)
    values[:, 17] = 0
    assert (choose(values, np.tile(NO_FLOOR, 64), streams(64)) == 17).all()


def test_tokens_below_the_floor_are_left_out() -> None:
    values = np.tile(np.array([0, -1, -1, -1, -1, -1], np.float32), (200, 1))
    chosen = choose(values, np.full(200, -0.5, np.float32), streams(200))
    assert (chosen == 0).all()


def test_of_equal_scores_the_lower_token_wins() -> None:
    candidates = Candidates(np.array([0, 0]), np.array([9, 5]), np.full(2, np.inf, np.float32))
    assert choose_of(candidates, streams(1)).tolist() == [5]


@pytest.mark.parametrize("changes", [{"seed": 2}, {"first_position": 50}, {"choice": 1}])
def test_noise_changes_with_seed_position_and_choice(changes) -> None:
    values, floors = np.zeros((40, 1000), np.float32), np.tile(NO_FLOOR, 40)
    assert (
        choose(values, floors, streams(40)) != choose(values, floors, streams(40, **changes))
    ).any()
