"""IQ4_NL and IQ4_XS: 4 bits that name one of 16 steps, closer together around zero.

    IQ4_NL    f16 d │ u4 q[32]                                           x = STEPS[q] · d
    IQ4_XS    f16 d │ u16 high │ u4 low[8] │ u4 q[256]       x = STEPS[q] · d · (scale - 32)

A scale of IQ4_XS, one for each 32 numbers, has four bits in `low` and two in `high`, which holds
eight pairs of bits from its lowest bits on. The steps are ggml's `kvalues_iq4nl`.
"""

from __future__ import annotations

import numpy as np

from forge_worker.quantization.fields import Bytes, Floats, halves, planes
from forge_worker.quantization.q4 import WIDTH

STEPS = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
NUM_GROUPS = 8


def decode_iq4_nl(blocks: Bytes) -> Floats:
    decoded = _stepped(blocks[:, 2:])
    decoded *= halves(blocks[:, :2])
    return decoded


def decode_iq4_xs(blocks: Bytes) -> Floats:
    joined = planes(blocks[:, 4:8], 1, 4) | planes(blocks[:, 2:4], 1, 2) << np.uint8(4)
    scales = (joined.view(np.int8) - np.int8(32)).astype(np.float32)
    decoded = _stepped(blocks[:, 8:]).reshape(len(blocks), NUM_GROUPS, -1)
    decoded *= (halves(blocks[:, :2]) * scales)[..., None]
    return decoded.reshape(len(blocks), -1)


def _stepped(field: Bytes) -> Floats:
    return np.array(STEPS, np.float32).take(planes(field, WIDTH, 4))
