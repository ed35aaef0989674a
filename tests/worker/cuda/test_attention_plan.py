"""Which kernel serves which sequence, and how chunks become tiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_worker.cuda.attention_plan import (
    AttentionGeometry,
    AttentionPlanner,
    heads_per_block,
    tile_shape,
    uses_tensor_cores,
)
from forge_worker.cuda.precision import Precision

GEOMETRY = AttentionGeometry(num_heads=32, num_kv_heads=8, head_dim=128, block_size=16)
PLANNER = AttentionPlanner(GEOMETRY)
QUERIES = tile_shape(GEOMETRY).queries


def ints(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(values, np.int32)


def test_sequences_with_one_token_are_singles() -> None:
    work = PLANNER.plan(ints(1, 5, 1), ints(10, 5, 1))
    assert work.singles.tolist() == [0, 2]
    assert work.tiles.tolist() == [[1, 0]]


def test_without_singles_every_token_is_of_a_tile() -> None:
    work = PLANNER._replace(has_singles=False).plan(ints(1, 5, 1), ints(10, 5, 12))
    assert work.singles.tolist() == []
    assert work.tiles.tolist() == [[2, 0], [0, 0], [1, 0]]


def test_step_without_chunks_has_no_tiles() -> None:
    work = PLANNER.plan(ints(1, 1), ints(10, 20))
    assert work.tiles.shape == (0, 2)
    assert work.tiles.dtype == work.singles.dtype == np.int32


def test_tiles_with_most_keys_come_first() -> None:
    work = PLANNER.plan(ints(2 * QUERIES + 1, 3), ints(2 * QUERIES + 1, 2 * QUERIES))
    assert work.tiles.tolist() == [[0, 2 * QUERIES], [0, QUERIES], [1, 0], [0, 0]]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=5))
def test_every_query_is_served_once(lengths: list[tuple[int, int]]) -> None:
    query_lens = ints(*(num_queries for num_queries, _ in lengths))
    context_lens = ints(*(sum(length) for length in lengths))
    work = PLANNER.plan(query_lens, context_lens)
    served = [(int(sequence), 0) for sequence in work.singles]
    for sequence, first in work.tiles.tolist():
        last = min(first + QUERIES, int(query_lens[sequence]))
        served += [(sequence, query) for query in range(first, last)]
    wanted = [(i, query) for i, length in enumerate(query_lens) for query in range(length)]
    assert sorted(served) == wanted


@pytest.mark.parametrize("head_dim", [16, 64, 80, 96, 128, 256])
@pytest.mark.parametrize("group", [1, 2, 4, 7, 8, 16])
def test_queries_of_a_tile_fit_its_rows(head_dim: int, group: int) -> None:
    shape = tile_shape(AttentionGeometry(group, 1, head_dim, 16))
    assert 1 <= shape.queries * group <= shape.rows
    assert shape.rows - shape.queries * group < group


@pytest.mark.parametrize(
    ("precision", "head_dim", "group", "heads"),
    [
        (Precision.BFLOAT16, 128, 7, 7),
        (Precision.FLOAT16, 128, 16, 16),
        (Precision.BFLOAT16, 128, 32, 16),
        (Precision.BFLOAT16, 256, 16, 8),
        (Precision.FLOAT32, 128, 8, 4),
        (Precision.FLOAT32, 128, 7, 1),
        (Precision.BFLOAT16, 8, 6, 3),
    ],
)
def test_as_many_heads_share_a_block_as_registers_hold(
    precision: Precision, head_dim: int, group: int, heads: int
) -> None:
    assert heads_per_block(precision, AttentionGeometry(group, 1, head_dim, 16)) == heads


def test_tensor_cores_need_a_short_format_and_whole_fragments() -> None:
    assert uses_tensor_cores(Precision.BFLOAT16, GEOMETRY)
    assert not uses_tensor_cores(Precision.FLOAT32, GEOMETRY)
    assert not uses_tensor_cores(Precision.FLOAT16, GEOMETRY._replace(head_dim=24))
