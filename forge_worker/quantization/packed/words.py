"""Integers of 4 or 8 bits in words of 32, the first in the lowest bits.

    |q7|q6|q5|q4|q3|q2|q1|q0|

Knows no weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from forge_worker.quantization.fields import Bytes


def integers_in(words: npt.NDArray[Any], bits: int) -> Bytes:
    """int32 or uint32 [n, num_words] to uint8 [n, num_words · 32 / bits], an array of its own."""
    field = np.ascontiguousarray(words).astype("<u4").view(np.uint8)
    if bits == 8:
        return field
    integers = np.empty((len(field), 2 * field.shape[1]), np.uint8)
    np.bitwise_and(field, 15, out=integers[:, ::2])
    np.right_shift(field, 4, out=integers[:, 1::2])
    return integers
