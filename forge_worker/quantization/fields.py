"""What block formats are made of: half-precision numbers, and small integers packed into bytes.

    a run of `width` bytes      b0        b1        b2       ...
    holds planes, lowest bits   |p1.p0|   |p1.p0|   |p1.p0|        first all of plane 0,
    first                                                          then all of plane 1

Knows bits, no format.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]


def halves(field: Bytes) -> Floats:
    """float16 numbers [n, 2 · k] as float32 [n, k]."""
    widened: Floats = field.view("<f2").astype(np.float32)
    return widened


def half_bytes(values: Floats) -> Bytes:
    """float32 [n, k] rounded to float16, as bytes [n, 2 · k]."""
    return np.ascontiguousarray(values.astype("<f2")).view(np.uint8)


def planes(field: Bytes, width: int, num_bits: int) -> Bytes:
    """Integers of `num_bits` packed in [n, num_bytes]: [n, num_bytes · 8 / num_bits], in order."""
    shifts = np.arange(0, 8, num_bits, dtype=np.uint8)[:, None]
    runs = field.reshape(len(field), -1, 1, width) >> shifts
    return (runs & np.uint8(2**num_bits - 1)).reshape(len(field), -1)


def packed(values: npt.NDArray[Any], width: int, num_bits: int) -> Bytes:
    """The inverse of `planes`: values of 0 .. 2**num_bits - 1."""
    num_planes = 8 // num_bits
    runs = values.astype(np.uint8).reshape(len(values), -1, num_planes, width)
    shifts = np.arange(0, 8, num_bits, dtype=np.uint8)[:, None]
    joined: Bytes = np.bitwise_or.reduce(runs << shifts, axis=2)
    return joined.reshape(len(values), -1)
