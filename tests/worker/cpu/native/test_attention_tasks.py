"""Tasks cover every query of every head once, the most work first."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cpu.native.attention_records import TASK_LONGS
from forge_worker.cpu.native.attention_tasks import HeadCounts, TaskPlan, plan_tasks
from forge_worker.cpu.native.attention_tiles import MAX_TASK_HEADS
from tests.worker.forward import Work, make_inputs


def plan(
    lengths: list[tuple[int, int]], heads: HeadCounts, window: int | None = None
) -> list[list[int]]:
    """Of (tokens that already ran, tokens to run): sequence, first row, first position, number of
    positions, first head, number of heads."""
    works = [Work([0] * run, computed, [0] * (computed + run)) for computed, run in lengths]
    tasks = plan_tasks(make_inputs(works, 16), heads, window)
    assert tasks.shape[1] == TASK_LONGS
    return [[int(number) for number in task] for task in tasks]


@pytest.mark.parametrize("heads", [HeadCounts(4, 3), HeadCounts(8, 1), HeadCounts(1, 71)])
@pytest.mark.parametrize("window", [None, 40])
def test_every_query_of_every_head_is_done_once(heads: HeadCounts, window: int | None) -> None:
    lengths = [(0, 700), (9, 0), (5, 1), (100, 65), (0, 1), (3000, 1)]
    starts = np.cumsum([0] + [run for _, run in lengths])
    done = np.zeros((starts[-1], heads.num_kv_heads), np.int64)
    for sequence, row, position, count, head, num_heads in plan(lengths, heads, window):
        computed, run = lengths[sequence]
        assert position - computed == row - starts[sequence]
        assert row + count <= starts[sequence] + run
        assert count * heads.group_size * num_heads <= heads.max_tile_rows
        done[row : row + count, head : head + num_heads] += 1
    assert (done == 1).all()


def test_long_contexts_come_first() -> None:
    tasks = plan([(10, 1), (4000, 1), (900, 1)], HeadCounts(1, 4))
    assert [sequence for sequence, *_ in tasks] == [1, 2, 0]


def test_short_contexts_take_all_heads_at_once() -> None:
    assert plan([(15, 1)], HeadCounts(8, 2)) == [[0, 0, 15, 1, 0, 8]]


def test_long_contexts_take_heads_one_by_one() -> None:
    assert len(plan([(5000, 1)], HeadCounts(8, 4))) == 8


def test_heads_go_together_where_there_are_tasks_enough() -> None:
    tasks = plan([(1000, 1)] * 32, HeadCounts(8, 1))
    assert [(head, count) for sequence, *_, head, count in tasks if sequence == 0] == [
        (0, 4),
        (4, 4),
    ]


def test_a_task_takes_no_more_heads_than_can_be_fetched_for() -> None:
    tasks = plan([(0, 1)], HeadCounts(80, 1))
    assert [(head, count) for *_, head, count in tasks] == [
        (first, min(MAX_TASK_HEADS, 80 - first)) for first in range(0, 80, MAX_TASK_HEADS)
    ]


def test_heads_are_shared_out_though_they_do_not_divide() -> None:
    tasks = plan([(399, 1)], HeadCounts(7, 1))
    assert [(head, count) for *_, head, count in tasks] == [(0, 5), (5, 2)]


def test_window_makes_long_contexts_short() -> None:
    tasks = plan([(5000, 1)], HeadCounts(8, 4), window=32)
    assert [(head, count) for *_, head, count in tasks] == [(0, 8)]


def test_step_without_tokens_has_no_tasks() -> None:
    assert plan([(9, 0)], HeadCounts(2, 2)) == []


def test_plan_of_the_step_before_serves_the_next_until_sequences_moved_far() -> None:
    heads = HeadCounts(4, 2)
    plan_of = TaskPlan(heads, None)
    steps = [[100, 3000], [101, 3001], [102, 2990], [164, 3000], [170, 3001], [171], [9, 9, 9]]
    for computed in steps:
        works = [Work([0], before, [0] * (before + 1)) for before in computed]
        kept = plan_of.tasks(make_inputs(works, 16)).tolist()
        done = np.zeros((len(computed), heads.num_kv_heads), np.int64)
        for sequence, row, position, count, head, num_heads in kept:
            assert (row, position, count) == (sequence, computed[sequence], 1)
            done[row, head : head + num_heads] += 1
        assert (done == 1).all()


def test_plan_of_single_tokens_is_not_taken_for_chunks() -> None:
    heads = HeadCounts(4, 2)
    plan_of = TaskPlan(heads, None)
    for lengths in ([(9, 1), (9, 1)], [(9, 2), (10, 0)], [(8, 2), (9, 1)], [(10, 1), (10, 1)]):
        works = [Work([0] * run, computed, [0] * (computed + run)) for computed, run in lengths]
        inputs = make_inputs(works, 16)
        fresh = plan_tasks(inputs, heads, None)
        assert plan_of.tasks(inputs).tolist() == fresh.tolist()
