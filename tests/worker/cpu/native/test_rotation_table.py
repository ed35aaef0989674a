from __future__ import annotations

import numpy as np
import pytest

from forge_common.checkpoint.rope_scaling import DynamicScaling, Rope
from forge_worker.cpu.native.rotation_table import MAX_POSITIONS, RotationTable
from forge_worker.rotary import rotation

PLAIN = Rope(10000.0, None, 64)
DYNAMIC = Rope(10000.0, DynamicScaling(factor=4.0, original_max_position_embeddings=128), 64)


@pytest.mark.parametrize("rope", [PLAIN, DYNAMIC])
@pytest.mark.parametrize("largest", [3, 511, 512, 700, MAX_POSITIONS - 1, MAX_POSITIONS, 100_000])
def test_rows_are_the_rotations_of_their_positions(rope: Rope, largest: int) -> None:
    table = RotationTable(rope, 64)
    for positions in ([0, 1], [largest, 0, largest // 2], [5]):
        asked = np.array(positions, np.int32)
        found = table.of(asked)
        for ours, expected in zip(found.table, rotation(rope, 64, asked), strict=True):
            np.testing.assert_array_equal(ours[found.rows], expected)


def test_no_positions_have_no_rows() -> None:
    assert len(RotationTable(PLAIN, 64).of(np.zeros(0, np.int32)).rows) == 0


def test_table_stays_while_positions_are_in_it() -> None:
    table = RotationTable(PLAIN, 64)
    first, second = (table.of(np.array([place], np.int32)).table for place in (1, 2))
    assert first is second
