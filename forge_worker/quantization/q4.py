"""Q4_0 and Q4_1: 32 numbers of 4 bits with one scale, and in Q4_1 a least value.

    Q4_0    f16 d │ u4 q[32]               x = (q - 8) · d
    Q4_1    f16 d │ f16 m │ u4 q[32]       x = q · d + m

Byte i of the 16 holds q[i] in its low half and q[i + 16] in its high half.
"""

from __future__ import annotations

import numpy as np

from forge_worker.quantization.fields import Bytes, Floats, half_bytes, halves, packed, planes
from forge_worker.quantization.q8 import reciprocal
from forge_worker.quantization.scale_search import symmetric_scales

WIDTH = 16
Q4_ZERO = 8


def decode_q4_0(blocks: Bytes) -> Floats:
    steps = planes(blocks[:, 2:], WIDTH, 4).view(np.int8) - np.int8(Q4_ZERO)
    decoded: Floats = steps.astype(np.float32)
    decoded *= halves(blocks[:, :2])
    return decoded


def decode_q4_1(blocks: Bytes) -> Floats:
    decoded: Floats = planes(blocks[:, 4:], WIDTH, 4).astype(np.float32)
    decoded *= halves(blocks[:, :2])
    decoded += halves(blocks[:, 2:4])
    return decoded


def encode_q4_0(values: Floats) -> Bytes:
    """[n, 32] to blocks: the scale of least squared error among those tried.

    A number is at most max|x| / 8 away, and usually half of that.
    """
    scales = half_bytes(symmetric_scales(values, Q4_ZERO)[:, None])
    steps = np.rint(values * reciprocal(halves(scales)))
    steps += Q4_ZERO
    np.clip(steps, 0, 2 * Q4_ZERO - 1, out=steps)
    return np.concatenate([scales, packed(steps, WIDTH, 4)], axis=1)
