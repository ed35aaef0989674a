"""StoredTensor: numbers as a file holds them, not yet copied anywhere.

Knows formats of numbers, not names, files or devices.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from forge_worker.forward_inputs import FloatArray

StoredDtype: TypeAlias = Literal["BF16", "F16", "F32"]
BFLOAT16_SHIFT = 16  # bfloat16 is the upper half of a float32


class StoredTensor(NamedTuple):
    dtype: StoredDtype
    array: npt.NDArray[Any]  # view of a mapped file, maybe with gaps; BF16 as its bits in uint16


def widen(stored: StoredTensor, out: FloatArray) -> None:
    """Write the numbers to `out`, exactly, without any copy between."""
    if stored.dtype == "BF16":
        widened = out.view(np.uint32)
        np.copyto(widened, stored.array)
        np.left_shift(widened, BFLOAT16_SHIFT, out=widened)
    else:
        np.copyto(out, stored.array)
