"""Every stored format widens exactly, gaps or not."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.weights.stored_tensor import StoredDtype, StoredTensor, widen

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
