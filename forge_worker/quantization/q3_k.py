"""Q3_K: 16 groups of 16 numbers of 3 bits, each group with a scale of 6 bits.

    u1 h[256] │ u2 q[256] │ u6 scale[16] in 12 bytes │ f16 d
    x = (q + 4 · h - 4) · d · (scale - 32)

Byte i of h holds one bit of each eighth of the block. Low halves of the first eight bytes of the
scales are the low four bits of scales 0 to 7, high halves those of 8 to 15; two bits more of each
lie in the last four bytes, four scales a plane.
"""

from __future__ import annotations

import numpy as np

from forge_worker.quantization.fields import Bytes, Floats, halves, planes

NUM_GROUPS = 16


def decode_q3_k(blocks: Bytes) -> Floats:
    steps = planes(blocks[:, 32:96], 32, 2) | planes(blocks[:, :32], 32, 1) << np.uint8(2)
    signed = steps.view(np.int8) - np.int8(4)
    decoded: Floats = signed.reshape(len(blocks), NUM_GROUPS, -1).astype(np.float32)
    decoded *= (halves(blocks[:, 108:110]) * _scales(blocks[:, 96:108]))[..., None]
    return decoded.reshape(len(blocks), -1)


def _scales(field: Bytes) -> Floats:
    joined = planes(field[:, :8], 8, 4) | planes(field[:, 8:], 4, 2) << np.uint8(4)
    scales: Floats = (joined.view(np.int8) - np.int8(32)).astype(np.float32)
    return scales
