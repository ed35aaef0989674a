"""Gates and soft caps against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forge_common.checkpoint.families import Activation
from forge_worker.cpu.activations import ACTIVATIONS, bend

X = np.linspace(-12, 12, 97, dtype=np.float32)


def silu(x: float) -> float:
    return x / (1 + math.exp(-x))


def gelu_tanh(x: float) -> float:
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize(("name", "function"), [("silu", silu), ("gelu_tanh", gelu_tanh)])
def test_up_is_gated(name: Activation, function: object) -> None:
    gate, up = X.copy(), np.flip(X).copy()
    ACTIVATIONS[name](gate, up)
    expected = [function(float(x)) * -x for x in X]  # type: ignore[operator]
    np.testing.assert_allclose(up, expected, rtol=2e-5, atol=1e-5)


def test_bent_scores_stay_within_the_cap() -> None:
    scores = X.copy() * 10
    bend(scores, 5.0)
    np.testing.assert_allclose(scores, 5 * np.tanh(X * 10 / 5), rtol=1e-5)


def test_without_a_cap_nothing_is_bent() -> None:
    scores = X.copy()
    bend(scores, None)
    assert (scores == X).all()
