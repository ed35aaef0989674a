"""A wrong array is refused before a kernel sees its address, by name and with both shapes."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.shapes import require


def test_the_array_asked_for_passes() -> None:
    require("x", np.zeros((2, 3), np.float32), (2, 3), np.float32)
    require("bits", np.zeros(4, np.uint16), (4,), np.dtype(np.uint16))
    require("none", np.zeros((0, 3), np.int64), (0, 3), np.int64)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 1), (6,), (2, 4)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"x is float32 \[2, 3\], not float32 \["):
        require("x", np.zeros((2, 3), np.float32), shape, np.float32)


def test_another_type_of_the_same_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"slots is int32 \[4\], not float32 \[4\]"):
        require("slots", np.zeros(4, np.int32), (4,), np.float32)


def test_gaps_between_elements_are_refused() -> None:
    wide = np.zeros((4, 6), np.float32)
    for array in (wide[:, :3], wide.T[:4, :3], wide[::2]):
        with pytest.raises(ValueError, match="x has gaps"):
            require("x", array, array.shape, np.float32)


def test_rows_of_a_longer_array_have_no_gaps() -> None:
    require("x", np.zeros((4, 6), np.float32)[1:3], (2, 6), np.float32)
