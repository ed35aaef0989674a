"""Runs: what weights told by several tensors look like as blocks, with nothing rounded.

    I4_32, I4_64, I4_128    u32 scale and zero point │ u4 q[run]     x = (q - z) · s
    E4M3_128                f32 scale │ e4m3 q[128]                  x = q · s

The word's upper 24 bits are those of a float32 scale, whose lower 8 are 0: float16 and bfloat16
have no more. The lower 8 bits are the zero point. Byte i of the integers holds q[i] in its low half
and q[i + run / 2] in its high half. E4M3: packed/float8.py.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from forge_worker.quantization.fields import Bytes, Floats, planes
from forge_worker.quantization.packed.float8 import e4m3_values

HEAD_BYTES = 4
ZERO_BITS = np.uint32(0xFF)


def decode_i4(blocks: Bytes) -> Floats:
    words = np.ascontiguousarray(blocks[:, :HEAD_BYTES]).view("<u4")
    integers = planes(blocks[:, HEAD_BYTES:], blocks.shape[1] - HEAD_BYTES, 4)
    decoded: Floats = integers.astype(np.float32)
    decoded -= (words & ZERO_BITS).astype(np.float32)
    decoded *= (words & ~ZERO_BITS).view(np.float32)
    return decoded


def decode_e4m3(blocks: Bytes) -> Floats:
    scales = np.ascontiguousarray(blocks[:, :HEAD_BYTES]).view("<f4")
    decoded: Floats = e4m3_values()[blocks[:, HEAD_BYTES:]] * scales
    return decoded


def heads_of(scales: Floats, zeros: npt.NDArray[np.int16]) -> Bytes:
    """uint8 [..., 4] of scales and zero points [...]; ValueError where they have no such word."""
    bits = np.ascontiguousarray(scales).view("<u4")
    if (bits & ZERO_BITS).any() or zeros.min() < 0 or zeros.max() > ZERO_BITS:
        raise ValueError("a scale or a zero point has too many bits")
    heads: Bytes = (bits | zeros.astype("<u4")).view(np.uint8)
    return heads.reshape(*scales.shape, HEAD_BYTES)
