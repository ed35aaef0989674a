"""top-k, top-p and min-p against the slow reference, and at their borders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_worker.sampler.filters import FIRST_COUNT, filter_tokens, is_cut
from forge_worker.sampler.table import History, SamplingTable
from tests.worker.fakes import sampling
from tests.worker.sampler.reference import surviving

NOBODY = History([], [])
LIMITS = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([0.3, 1.0, 2.0]),
        "top_k": st.none() | st.integers(1, 50),
        "top_p": st.sampled_from([0.05, 0.5, 0.9, 0.999, 1.0]),
        "min_p": st.sampled_from([0.0, 0.1, 0.9]),
    }
)


def survivors(logits: np.ndarray, *asked: dict) -> list[set[int]]:
    """What is left of each row of `logits` by the real filters."""
    table = SamplingTable(len(logits), logits.shape[1])
    for row, params in enumerate(asked):
        table.set(row, sampling(**params), 0, NOBODY)
    values = (logits - logits.max(axis=1, keepdims=True)) / table.temperature[:, None]
    left = filter_tokens(values, table.filters(np.arange(len(logits), dtype=np.int32)))
    return [set(left.token_ids[left.rows == row].tolist()) for row in range(len(logits))]


def of_probabilities(*probabilities: float) -> np.ndarray:
    return np.log(np.array([probabilities], np.float32))


@settings(max_examples=150, deadline=None)
@given(asked=st.lists(LIMITS, min_size=1, max_size=4), seed=st.integers(0, 999))
def test_equals_reference(asked, seed) -> None:
    logits = np.random.default_rng(seed).normal(0, 2, (len(asked), 40)).astype(np.float32)
    expected = [
        surviving(row.tolist(), sampling(**params))
        for row, params in zip(logits, asked, strict=True)
    ]
    assert survivors(logits, *asked) == expected


@pytest.mark.parametrize(("top_p", "kept"), [(0.5, 1), (0.51, 2), (0.75, 2), (0.76, 3), (1e-9, 1)])
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p, kept) -> None:
    logits = of_probabilities(0.5, 0.25, 0.125, 0.125)
    assert survivors(logits, {"top_p": top_p}) == [set(range(kept))]


def test_top_p_works_on_what_top_k_left() -> None:
    logits = of_probabilities(0.4, 0.3, 0.2, 0.1)
    assert survivors(logits, {"top_k": 2, "top_p": 0.56}) == [{0}]  # 0.4 / 0.7 = 0.571
    assert survivors(logits, {"top_p": 0.56}) == [{0, 1}]


@pytest.mark.parametrize("params", [{"top_k": 3}, {"top_p": 0.59}])
def test_of_equal_logits_the_lower_ids_stay(params) -> None:
    logits = np.zeros((1, 5), np.float32)
    assert survivors(logits, params) == [{0, 1, 2}]


def test_ties_at_the_cut_stay_within_their_row() -> None:
    logits = np.array([[1, 5, 1, 1, 0], [2, 2, 2, 2, 2], [0, 1, 2, 3, 4]], np.float32)
    asked = [{"top_k": 2}, {"top_k": 2}, {"top_k": 3}]
    assert survivors(logits, *asked) == [{0, 1}, {0, 1}, {2, 3, 4}]


def test_tokens_ruled_out_never_survive() -> None:
    logits = np.array([[0, -np.inf, 1, -np.inf]], np.float32)
    assert survivors(logits, {"top_k": 3}) == [{0, 2}]


@pytest.mark.parametrize("spread", [0.0, 0.5, 4.0])
def test_flat_row_is_looked_at_further_until_top_p_is_reached(spread) -> None:
    size = 20 * FIRST_COUNT
    logits = np.random.default_rng(0).normal(0, spread, (2, size)).astype(np.float32)
    found = survivors(logits, {"top_p": 0.9}, {"top_k": 40, "top_p": 0.5})
    expected = [
        surviving(row.tolist(), sampling(**params))
        for row, params in zip(logits, [{"top_p": 0.9}, {"top_k": 40, "top_p": 0.5}], strict=True)
    ]
    assert found == expected


def test_row_without_top_k_or_top_p_is_not_cut() -> None:
    table = SamplingTable(3, 10)
    for row, params in enumerate([{"min_p": 0.5}, {"top_k": 10}, {"top_k": 9}]):
        table.set(row, sampling(**params), 0, NOBODY)
    assert is_cut(table.filters(np.arange(3, dtype=np.int32)), 10).tolist() == [False, False, True]
