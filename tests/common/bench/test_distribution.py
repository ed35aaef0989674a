"""Percentiles, held against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_common.bench.distribution import distribution_of, percentile


def test_percentiles_of_plain_integers() -> None:
    distribution = distribution_of([5, 1, 4, 2, 3])
    assert distribution is not None
    assert (distribution.num, distribution.mean) == (5, 3)
    assert [distribution.percentiles[p] for p in (0, 25, 50, 75, 100)] == [1, 2, 3, 4, 5]


def test_percentile_lies_between_the_two_nearest() -> None:
    assert percentile([10, 20], 90) == pytest.approx(19)


def test_one_value_is_every_percentile() -> None:
    assert percentile([7], 99) == 7


def test_no_values_have_no_distribution() -> None:
    assert distribution_of([]) is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.integers(0, 100))
def test_percentiles_are_numpys(values: list[float], percent: int) -> None:
    assert percentile(sorted(values), percent) == pytest.approx(np.percentile(values, percent))
