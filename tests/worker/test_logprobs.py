"""Logprobs against log softmax in float64."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.protocol.message import PositionLogprobs, TokenLogprob
from forge_worker.logprobs import VALUES_PER_SLICE, position_logprobs


def log_softmax(logits: np.ndarray) -> np.ndarray:
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def random_logits(num_rows: int, vocab_size: int, scale: float = 5.0) -> np.ndarray:
    rng = np.random.default_rng(num_rows)
    return rng.normal(0, scale, (num_rows, vocab_size)).astype(np.float32)


@pytest.mark.parametrize("scale", [0.01, 5.0, 1000.0])
def test_chosen_and_likeliest_equal_log_softmax(scale) -> None:
    logits = random_logits(4, 300, scale)
    chosen = np.array([3, 200, 7, 299])
    expected = log_softmax(logits)
    for row, found in enumerate(position_logprobs(logits, chosen, [0, 1, 5, 20])):
        assert found.chosen.token_id == chosen[row]
        assert found.chosen.logprob == pytest.approx(expected[row, chosen[row]], abs=1e-4)
        best = sorted(range(300), key=lambda t: (-logits[row, t], t))[: [0, 1, 5, 20][row]]
        assert [top.token_id for top in found.top] == best
        assert [top.logprob for top in found.top] == pytest.approx(expected[row, best], abs=1e-4)


def test_of_equal_logits_the_lower_id_stands_first() -> None:
    (found,) = position_logprobs(np.zeros((1, 4), np.float32), np.array([3]), [2])
    quarter = pytest.approx(np.log(0.25))
    assert found == PositionLogprobs(
        TokenLogprob(3, quarter), [TokenLogprob(0, quarter), TokenLogprob(1, quarter)]
    )


def test_many_rows_in_slices_equal_single_rows() -> None:
    vocab_size = VALUES_PER_SLICE // 3
    logits, chosen = random_logits(7, vocab_size), np.arange(7)
    together = position_logprobs(logits, chosen, [2] * 7)
    for row in range(7):
        assert [together[row]] == position_logprobs(
            logits[row : row + 1], chosen[row : row + 1], [2]
        )


def test_vocabulary_smaller_than_the_number_asked_for_is_given_whole() -> None:
    (found,) = position_logprobs(random_logits(1, 3), np.array([0]), [20])
    assert len(found.top) == 3
