"""Rows of different lengths in one growing array."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_worker.ragged_table import FIRST_CAPACITY, RaggedTable

NUM_ROWS, MAX_LENGTH = 4, 200
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "extend", "append"]),
        st.integers(0, NUM_ROWS - 1),
        st.integers(0, 90),
    ),
    max_size=40,
)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def test_append_adds_to_each_row_at_its_own_end() -> None:
    table = RaggedTable(3, 8)
    table.set(0, [5, 6])
    table.append(ints(0, 2), ints(7, 8))
    assert [table.row(row).tolist() for row in range(3)] == [[5, 6, 7], [], [8]]


def test_shorter_row_leaves_nothing_of_the_longer_one_behind() -> None:
    table = RaggedTable(1, 8)
    table.set(0, [1, 2, 3, 4])
    table.set(0, [9])
    assert table.values[0].tolist() == [9] + [0] * 7


def test_starts_small_and_grows_to_its_limit_only() -> None:
    table = RaggedTable(1, FIRST_CAPACITY * 3)
    assert table.values.shape[1] == FIRST_CAPACITY
    table.extend(0, range(FIRST_CAPACITY * 2 + 1))
    assert table.values.shape[1] == FIRST_CAPACITY * 2 + 1
    table.append(ints(0), ints(1))
    assert table.values.shape[1] == FIRST_CAPACITY * 3


@settings(max_examples=60, deadline=None)
@given(changes=CHANGES)
def test_behaves_like_lists(changes) -> None:
    table, lists = RaggedTable(NUM_ROWS, MAX_LENGTH), [[] for _ in range(NUM_ROWS)]
    for verb, row, size in changes:
        if verb == "set":
            lists[row] = list(range(size))
            table.set(row, lists[row])
        elif len(lists[row]) + size < MAX_LENGTH:
            new = [size] if verb == "append" else list(range(size))
            lists[row] = lists[row] + new
            table.append(ints(row), ints(size)) if verb == "append" else table.extend(row, new)
    assert [table.row(row).tolist() for row in range(NUM_ROWS)] == lists
    assert all(not table.values[row, len(kept) :].any() for row, kept in enumerate(lists))


def test_what_was_only_counted_can_be_put_in_place() -> None:
    table = RaggedTable(NUM_ROWS, MAX_LENGTH)
    table.set(1, [7, 8, 0, 0])
    table.put(1, 2, [9])
    assert table.row(1).tolist() == [7, 8, 9, 0]
    table.put(1, 3, [4, 5, 6])
    assert table.row(1).tolist() == [7, 8, 9, 4, 5, 6]
