"""RotationTable: the rotations of positions that come again every step, computed once.

Rows are those of forge_worker/rotary.py, to the bit. The table grows as positions do, up to where
its memory would be more than it saves; positions beyond are computed. Knows no cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_common.checkpoint.rope_scaling import Rope
from forge_worker.forward_inputs import IntArray
from forge_worker.rotary import Rotation, rotation

FIRST_POSITIONS = 512
MAX_POSITIONS = 8192  # 8 MiB at 128 dimensions a head


class RotationRows(NamedTuple):
    """The rotations of a step's tokens, where they stand."""

    table: Rotation  # [num_rows, head_dim] each, close together
    rows: IntArray  # [T], of the table


class RotationTable:
    def __init__(self, rope: Rope, head_dim: int) -> None:
        self._rope = rope
        self._head_dim = head_dim
        self._table = self._computed(FIRST_POSITIONS)

    def of(self, positions: IntArray) -> RotationRows:
        """Of positions [T]. The table is another one only where rows had to be computed."""
        num_needed = int(positions.max(initial=0)) + 1
        if num_needed > MAX_POSITIONS:
            computed = rotation(self._rope, self._head_dim, positions)
            return RotationRows(computed, np.arange(len(positions), dtype=np.int32))
        if num_needed > len(self._table.cos):
            self._table = self._computed(min(2 * num_needed, MAX_POSITIONS))
        return RotationRows(self._table, positions)

    def _computed(self, num_positions: int) -> Rotation:
        return rotation(self._rope, self._head_dim, np.arange(num_positions, dtype=np.int32))
