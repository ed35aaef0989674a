"""RotationTable: the rotations of positions that come again every step, computed once.

Rows are those of forge_worker/rotary.py, to the bit. The table grows as positions do, up to where
its memory would be more than it saves; positions beyond are computed. Knows no cache.
"""

from __future__ import annotations

import numpy as np

from forge_common.checkpoint.rope_scaling import Rope
from forge_worker.forward_inputs import IntArray
from forge_worker.rotary import Rotation, rotation

FIRST_POSITIONS = 512
MAX_POSITIONS = 8192  # 8 MiB at 128 dimensions a head


class RotationTable:
    def __init__(self, rope: Rope, head_dim: int) -> None:
        self._rope = rope
        self._head_dim = head_dim
        self._rows = self._computed(FIRST_POSITIONS)

    def of(self, positions: IntArray) -> Rotation:
        """[T, head_dim] each, of positions [T]."""
        num_needed = int(positions.max(initial=0)) + 1
        if num_needed > MAX_POSITIONS:
            return rotation(self._rope, self._head_dim, positions)
        if num_needed > len(self._rows.cos):
            self._rows = self._computed(min(2 * num_needed, MAX_POSITIONS))
        cos, sin = self._rows
        return Rotation(cos.take(positions, axis=0), sin.take(positions, axis=0))

    def _computed(self, num_positions: int) -> Rotation:
        return rotation(self._rope, self._head_dim, np.arange(num_positions, dtype=np.int32))
