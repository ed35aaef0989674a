"""The largest values of rows, in a total order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_worker.top_tokens import top_tokens


def slowly(row: list[float], count: int) -> list[int]:
    return sorted(range(len(row)), key=lambda i: (-row[i], i))[:count]


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(-2, 2), min_size=9, max_size=9), min_size=1, max_size=5),
    count=st.integers(1, 12),
)
def test_equals_sorting(rows, count) -> None:
    values = np.array(rows, np.float32)
    top = top_tokens(values, count)
    assert top.token_ids.tolist() == [slowly(row, count) for row in rows]
    np.testing.assert_array_equal(top.values, np.take_along_axis(values, top.token_ids, axis=1))


@pytest.mark.parametrize("count", [1, 20, 300])
def test_equals_sorting_on_long_rows(count) -> None:
    values = np.random.default_rng(0).normal(size=(3, 5000)).astype(np.float32)
    assert top_tokens(values, count).token_ids.tolist() == [
        slowly(row, count) for row in values.tolist()
    ]


def test_minus_infinity_stands_last() -> None:
    values = np.array([[-np.inf, 1, -np.inf, 0]], np.float32)
    assert top_tokens(values, 3).token_ids.tolist() == [[1, 3, 0]]


@pytest.mark.parametrize("num_allowed", [1, 19, 20, 21, 400, 600, 999])
def test_rows_of_which_little_is_allowed_give_what_is_allowed(num_allowed) -> None:
    random = np.random.default_rng(num_allowed)
    values = np.full((3, 1000), -np.inf, np.float32)
    values[0] = random.normal(size=1000)
    for row in values[1:]:
        row[random.choice(1000, num_allowed, replace=False)] = random.normal(size=num_allowed)
    assert top_tokens(values, 20).token_ids.tolist() == [slowly(row, 20) for row in values.tolist()]
