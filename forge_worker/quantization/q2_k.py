"""Q2_K: 16 groups of 16 numbers of 2 bits, each group with a scale and a least value of 4 bits.

    u4 scale, u4 least [16] │ u2 q[256] │ f16 d │ f16 dmin      x = q · d·scale - dmin·least

Byte i of a run of 32 holds q[i], q[i + 32], q[i + 64] and q[i + 96], lowest bits first.
"""

from __future__ import annotations

import numpy as np

from forge_worker.quantization.fields import Bytes, Floats, halves, planes

NUM_GROUPS = 16


def decode_q2_k(blocks: Bytes) -> Floats:
    groups = blocks[:, :NUM_GROUPS]
    scales = halves(blocks[:, 80:82]) * (groups & np.uint8(15)).astype(np.float32)
    least = halves(blocks[:, 82:84]) * (groups >> np.uint8(4)).astype(np.float32)
    steps = planes(blocks[:, 16:80], 32, 2).reshape(len(blocks), NUM_GROUPS, -1)
    decoded: Floats = steps.astype(np.float32)
    decoded *= scales[..., None]
    decoded -= least[..., None]
    return decoded.reshape(len(blocks), -1)
