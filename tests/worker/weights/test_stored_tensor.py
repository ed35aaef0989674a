"""Every stored format widens exactly, gaps or not, and is cut only between blocks."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.quantization.encode import encode
from forge_worker.weights.stored_tensor import (
    StoredDtype,
    StoredTensor,
    cut_between_blocks,
    widen,
)

VALUES = np.array([[0.0, -0.0, 1.5, -2.25], [2.0**-14, 3.0, -240.0, 0.125]], np.float32)
STORED = {
    "BF16": (VALUES.view(np.uint32) >> 16).astype(np.uint16),
    "F16": VALUES.astype(np.float16),
    "F32": VALUES,
}


@pytest.mark.parametrize("dtype", STORED)
def test_numbers_stay_what_they_are(dtype: StoredDtype) -> None:
    out = np.full_like(VALUES, np.nan)
    widen(StoredTensor(dtype, STORED[dtype]), out)
    assert (out.view(np.uint32) == VALUES.view(np.uint32)).all()


@pytest.mark.parametrize("dtype", STORED)
def test_columns_are_taken_from_between_others(dtype: StoredDtype) -> None:
    out = np.empty((2, 2), np.float32)
    widen(StoredTensor(dtype, STORED[dtype][:, 1:3]), out)
    assert (out == VALUES[:, 1:3]).all()


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def widened(stored: StoredTensor) -> np.ndarray:
    out = np.empty(stored.shape, np.float32)
    widen(stored, out)
    return out


def test_shape_is_that_of_the_numbers() -> None:
    assert StoredTensor("F16", numbers(3, 4).astype(np.float16)).shape == (3, 4)
    assert StoredTensor("Q8_0", encode("Q8_0", numbers(3, 64))).shape == (3, 64)
    assert StoredTensor("Q4_K", encode("Q4_K", numbers(3, 512))).shape == (3, 512)


def test_blocks_are_decoded_where_they_go() -> None:
    values = numbers(5, 64)
    stored = StoredTensor("Q8_0", encode("Q8_0", values))
    assert np.abs(widened(stored) - values).max() < 0.02


@pytest.mark.parametrize(("num_parts", "stays"), [(1, True), (2, True), (4, True), (3, False)])
def test_rows_are_cut_between_blocks_or_widened(num_parts: int, stays: bool) -> None:
    stored = StoredTensor("Q8_0", encode("Q8_0", numbers(3, 128)))
    cut = cut_between_blocks(stored, num_parts)
    assert (cut is stored) == stays
    assert cut.shape == (3, 128)
    assert (widened(cut) == widened(stored)).all()


def test_plain_numbers_are_cut_anywhere() -> None:
    stored = StoredTensor("F32", numbers(3, 10))
    assert cut_between_blocks(stored, 3) is stored
