"""Which rows go through which expert."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cpu.expert_rows import by_expert
from forge_worker.ops.protocol import ExpertChoice

SCORES = np.array([[0.0, 2.0, 1.0, -3.0], [5.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 9.0]], np.float32)


def choice(num_chosen: int, *, is_renormalised: bool = False) -> ExpertChoice:
    return ExpertChoice(np.empty((4, 1), np.float32), num_chosen, is_renormalised)


def weights_of(scores: np.ndarray, chosen: ExpertChoice) -> np.ndarray:
    weights = np.zeros(scores.shape, np.float32)
    for expert, rows, of_rows in by_expert(scores, chosen):
        weights[rows, expert] = of_rows
    return weights


def softmax(scores: np.ndarray) -> np.ndarray:
    weights: np.ndarray = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return weights


def test_each_row_takes_its_best_experts_and_of_equal_ones_the_first() -> None:
    taken = weights_of(SCORES, choice(2)) > 0
    assert [np.flatnonzero(row).tolist() for row in taken] == [[1, 2], [0, 1], [0, 3]]


def test_weights_are_the_probabilities_of_all_experts() -> None:
    weights = weights_of(SCORES, choice(2))
    taken = weights > 0
    np.testing.assert_allclose(weights[taken], softmax(SCORES)[taken], rtol=1e-6)


@pytest.mark.parametrize("num_chosen", [1, 3, 4])
def test_renormalised_weights_sum_to_one(num_chosen: int) -> None:
    weights = weights_of(SCORES, choice(num_chosen, is_renormalised=True))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-6)


def test_experts_come_in_their_order_with_all_their_rows_at_once() -> None:
    found = [(expert, rows.tolist()) for expert, rows, _ in by_expert(SCORES, choice(2))]
    assert found == [(0, [1, 2]), (1, [0, 1]), (2, [0]), (3, [2])]


def test_row_that_is_not_finite_spoils_no_other() -> None:
    broken = SCORES.copy()
    broken[1] = np.nan, np.inf, 0, 0
    weights = weights_of(broken, choice(2, is_renormalised=True))
    expected = weights_of(SCORES, choice(2, is_renormalised=True))
    np.testing.assert_array_equal(weights[[0, 2]], expected[[0, 2]])
    assert not np.isfinite(weights[1]).all()
