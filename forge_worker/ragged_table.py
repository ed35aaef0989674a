"""RaggedTable: rows of integers of different lengths in one array, which grows as rows do.

    values   [num_rows, capacity]    what lies beyond a row's length is 0
    lengths  [num_rows]

Rows are set and extended in place, so a step copies only what is new. Knows nothing of what the
integers mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forge_worker.forward_inputs import IntArray

FIRST_CAPACITY = 64


class RaggedTable:
    """`max_length` bounds every row; keeping to it is the caller's part."""

    def __init__(self, num_rows: int, max_length: int) -> None:
        self._max_length = max_length
        self.values: IntArray = np.zeros((num_rows, min(FIRST_CAPACITY, max_length)), np.int32)
        self.lengths: IntArray = np.zeros(num_rows, np.int32)

    def set(self, row: int, values: Sequence[int] | IntArray) -> None:
        """Replace a whole row."""
        self._reserve(len(values))
        self.values[row, len(values) : self.lengths[row]] = 0
        self.values[row, : len(values)] = values
        self.lengths[row] = len(values)

    def extend(self, row: int, values: Sequence[int]) -> None:
        start = int(self.lengths[row])
        self._reserve(start + len(values))
        self.values[row, start : start + len(values)] = values
        self.lengths[row] = start + len(values)

    def put(self, row: int, start: int, values: Sequence[int]) -> None:
        """In place of what is there, and beyond its end; what lies behind them stays."""
        end = start + len(values)
        self._reserve(end)
        self.values[row, start:end] = values
        self.lengths[row] = max(int(self.lengths[row]), end)

    def append(self, rows: IntArray, values: IntArray) -> None:
        """One value to the end of each of `rows`, which are distinct."""
        if len(rows):
            ends = self.lengths[rows]
            self._reserve(int(ends.max()) + 1)
            self.values[rows, ends] = values
            self.lengths[rows] = ends + 1

    def row(self, row: int) -> IntArray:
        """A view of one row; valid until the table grows."""
        return self.values[row, : self.lengths[row]]

    def _reserve(self, length: int) -> None:
        capacity = self.values.shape[1]
        if length > capacity:
            grown = min(max(length, 2 * capacity), self._max_length)
            wider = np.zeros((len(self.values), max(grown, length)), np.int32)
            wider[:, :capacity] = self.values
            self.values = wider
