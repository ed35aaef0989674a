"""Q5_0 and Q5_1: as Q4_0 and Q4_1, with the fifth bits of the 32 numbers in four bytes.

Q5_0    f16 d │ u32 h │ u4 q[32]               x = (q + 16 · h[i] - 16) · d
Q5_1    f16 d │ f16 m │ u32 h │ u4 q[32]       x = (q + 16 · h[i]) · d + m
"""

from __future__ import annotations

import numpy as np

from forge_worker.quantization.fields import Bytes, Floats, halves, planes
from forge_worker.quantization.q4 import WIDTH

Q5_ZERO = 16


def decode_q5_0(blocks: Bytes) -> Floats:
    steps = _steps(blocks[:, 2:]).view(np.int8) - np.int8(Q5_ZERO)
    decoded: Floats = steps.astype(np.float32)
    decoded *= halves(blocks[:, :2])
    return decoded


def decode_q5_1(blocks: Bytes) -> Floats:
    decoded: Floats = _steps(blocks[:, 4:]).astype(np.float32)
    decoded *= halves(blocks[:, :2])
    decoded += halves(blocks[:, 2:4])
    return decoded


def _steps(field: Bytes) -> Bytes:
    """[n, 20] to numbers of five bits [n, 32]."""
    return planes(field[:, 4:], WIDTH, 4) | planes(field[:, :4], 1, 1) << np.uint8(4)
