"""Which tile of attention is which task of a step: computed once a step for each window.

A chunk is cut into tiles of as many queries as keep a core busy with keys that it has at hand; a
tile covers several key heads where one alone would be less work than taking the task, or where
there are tasks enough: each begins with keys that nobody fetched for it. The most work comes first,
so that threads end together. Knows lengths, not where anything lies in memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.cpu.native.attention_ir import (
    MAX_BLOCK_ROWS,
)
from forge_worker.cpu.native.attention_records import TASK_LONGS
from forge_worker.cpu.native.attention_tiles import MAX_POSITIONS, MAX_TASK_HEADS
from forge_worker.forward_inputs import ForwardInputs

Longs = npt.NDArray[np.int64]

TILE_ROWS = 192  # a multiple of the rows of a block
WORK_PER_TASK = 2**11  # scores, at least
MANY_TASKS = 64  # a step's work needs no finer parts
MAX_MOVE = 64  # positions: a plan that is so old shares work out almost as well as a new one


class HeadCounts(NamedTuple):
    num_kv_heads: int
    group_size: int  # query heads a key head

    @property
    def max_positions(self) -> int:
        """Of a tile."""
        return min(MAX_POSITIONS, max(1, TILE_ROWS // self.group_size))

    @property
    def max_tile_rows(self) -> int:
        """Of any tile, those included that fill up the last block of a head."""
        return max(TILE_ROWS, int(_filled(self.group_size)))


class TaskPlan:
    """The tasks of one window. While each sequence runs one token, and none has moved far since
    they were planned, only positions change: planning takes longer than such a step's attention."""

    def __init__(self, heads: HeadCounts, window: int | None) -> None:
        self._heads = heads
        self._window = window
        self._starts = b""
        self._planned_lens = np.zeros(0, np.int32)
        self._tasks: Longs = np.empty((0, TASK_LONGS), np.int64)

    def tasks(self, inputs: ForwardInputs) -> Longs:
        """[num_tasks, TASK_LONGS]; good until the next call."""
        if self._is_near(inputs):
            self._tasks[:, 2] = inputs.context_lens[self._tasks[:, 0]] - 1
            return self._tasks
        self._tasks = plan_tasks(inputs, self._heads, self._window)
        is_single = (np.diff(inputs.query_starts) == 1).all()
        self._starts = inputs.query_starts.tobytes() if is_single else b""
        self._planned_lens = inputs.context_lens.copy()
        return self._tasks

    def _is_near(self, inputs: ForwardInputs) -> bool:
        if inputs.query_starts.tobytes() != self._starts:
            return False
        moved = inputs.context_lens - self._planned_lens
        return bool(np.abs(moved).max(initial=0) <= MAX_MOVE)


def plan_tasks(inputs: ForwardInputs, heads: HeadCounts, window: int | None) -> Longs:
    """[num_tasks, TASK_LONGS]: the tasks' records."""
    tiles = _tiles(inputs, heads.max_positions)
    seen = tiles[:, 2] + tiles[:, 3]  # keys of the last query
    if window is not None:
        seen = np.minimum(seen, window + tiles[:, 3])
    rows = tiles[:, 3] * heads.group_size
    max_heads = np.minimum(heads.max_tile_rows // _filled(rows), MAX_TASK_HEADS)
    work = seen * rows
    work_per_task = max(WORK_PER_TASK, work.sum() * heads.num_kv_heads // MANY_TASKS)
    num_heads = np.clip(work_per_task // work, 1, np.minimum(max_heads, heads.num_kv_heads))
    order = np.argsort(-work * num_heads, kind="stable")
    tiles, num_heads = tiles[order], num_heads[order]
    num_parts = -(-heads.num_kv_heads // num_heads)
    tile, part = _enumerated(num_parts)
    tasks = np.empty((len(tile), TASK_LONGS), np.int64)
    tasks[:, :4] = tiles[tile]
    tasks[:, 4] = part * num_heads[tile]
    tasks[:, 5] = np.minimum(num_heads[tile], heads.num_kv_heads - tasks[:, 4])
    return tasks


def _tiles(inputs: ForwardInputs, max_positions: int) -> Longs:
    """[num_tiles, 4]: sequence, first row, first position, number of positions."""
    starts = inputs.query_starts.astype(np.int64)
    lengths = np.diff(starts)
    sequence, part = _enumerated(-(-lengths // max_positions))
    skipped = part * max_positions
    first = inputs.context_lens[sequence] - lengths[sequence] + skipped
    num_positions = np.minimum(lengths[sequence] - skipped, max_positions)
    return np.stack([sequence, starts[sequence] + skipped, first, num_positions], axis=1)


def _enumerated(counts: Longs) -> tuple[Longs, Longs]:
    """Of each of `counts` things of an item: the item, and the thing's number from 0."""
    item = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return item, np.arange(len(item)) - first[item]


def _filled(num_rows: npt.ArrayLike) -> Longs:
    """Rows in whole blocks."""
    return -(-np.asarray(num_rows, np.int64) // MAX_BLOCK_ROWS) * MAX_BLOCK_ROWS
