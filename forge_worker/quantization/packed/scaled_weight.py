"""ScaledWeight: a matrix of numbers and the scales they share, made wide or into blocks by rows.

    x[i, j] = (numbers[i, j] - zeros[r, g]) · scales[r, g]

where r is i // rows_per_scale, and g the group of j.

Differences and products are rounded to float32 once, so that a result is exact wherever it has a
float32: always for scales of half precision. Knows no layout of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from forge_worker.quantization.fields import Floats

Numbers: TypeAlias = npt.NDArray[np.int16] | Floats
Order: TypeAlias = npt.NDArray[np.int64]
SLAB_ELEMENTS = 2**18  # what is made on the way stays in a core's cache
SLAB_ROWS = 8  # or a multiple of it, which some layouts keep together


class Groups(NamedTuple):
    """Which columns share a scale: runs of `size` of them, or as `order` says of each."""

    size: int
    order: Order | None

    def apply(self, operation: np.ufunc, numbers: Numbers, values: npt.NDArray[Any]) -> None:
        """`operation` on numbers [n, columns], in place, and values [n, num_groups]."""
        if self.order is None and numbers.shape[1] % self.size == 0:
            runs = numbers.reshape(*values.shape, self.size)
            operation(runs, values[:, :, None], out=runs)
        else:
            operation(numbers, self._spread(values, numbers.shape[1]), out=numbers)

    def _spread(self, values: npt.NDArray[Any], num_columns: int) -> npt.NDArray[Any]:
        if self.order is not None:
            return values[:, self.order]
        return np.repeat(values, self.size, axis=1)[:, :num_columns]


class ScaledWeight(NamedTuple):
    num_rows: int
    num_columns: int
    read: Callable[[slice], Numbers]  # rows as the file has them, an array of the caller's own
    zeros: npt.NDArray[np.int16] | None  # [row groups, groups]; None where they are taken off
    scales: Floats  # [row groups, groups]
    rows_per_scale: int
    groups: Groups

    def slabs(self) -> Iterator[slice]:
        at_once = SLAB_ELEMENTS // self.num_columns // SLAB_ROWS * SLAB_ROWS
        at_once = max(SLAB_ROWS, at_once)
        for start in range(0, self.num_rows, at_once):
            yield slice(start, min(start + at_once, self.num_rows))

    def levels(self, rows: slice) -> Numbers:
        """[n, num_columns], zero points taken off."""
        numbers = self.read(rows)
        if self.zeros is not None:
            self.groups.apply(np.subtract, numbers, self.zeros[self._row_groups(rows)])
        return numbers

    def widen(self) -> Floats:
        """float32 [num_rows, num_columns]"""
        out = np.empty((self.num_rows, self.num_columns), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in self.slabs():
                np.copyto(out[rows], self.levels(rows))
                scales = self.scales[self._row_groups(rows)]
                self.groups.apply(np.multiply, out[rows], scales)
        return out

    def _row_groups(self, rows: slice) -> slice | npt.NDArray[np.intp]:
        if self.rows_per_scale == 1:
            return rows
        return np.arange(rows.start, rows.stop) // self.rows_per_scale

    def scales_of_all_rows(self) -> Floats:
        return self.scales[self._row_groups(slice(0, self.num_rows))]
