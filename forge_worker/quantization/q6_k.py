"""Q6_K: 16 groups of 16 numbers of 6 bits, each group with a signed scale of 8 bits.

    u4 q[256] │ u2 h[256] │ i8 scale[16] │ f16 d      x = (q + 16 · h - 32) · d · scale

Byte i of a run of 64 holds the low bits of numbers i and i + 64 of a half block; byte i of a run
of 32 the high bits of numbers i, i + 32, i + 64 and i + 96 of it.
"""

from __future__ import annotations

import numpy as np

from forge_worker.quantization.fields import Bytes, Floats, half_bytes, halves, packed, planes
from forge_worker.quantization.q8 import Q8_MAX, reciprocal
from forge_worker.quantization.scale_search import symmetric_scales

NUM_GROUPS = 16
GROUP = 16
Q6_ZERO = 32


def decode_q6_k(blocks: Bytes) -> Floats:
    steps = planes(blocks[:, :128], 64, 4) | planes(blocks[:, 128:192], 32, 2) << np.uint8(4)
    signed = steps.view(np.int8) - np.int8(Q6_ZERO)
    decoded: Floats = signed.reshape(len(blocks), NUM_GROUPS, GROUP).astype(np.float32)
    scales = blocks[:, 192:208].view(np.int8).astype(np.float32)
    decoded *= (halves(blocks[:, 208:210]) * scales)[..., None]
    return decoded.reshape(len(blocks), -1)


def encode_q6_k(values: Floats) -> Bytes:
    """[n, 256] to blocks: each group's scale is that of least squared error among those tried,
    rounded to 8 bits. A number is at most its group's max|x| / 32 away, and usually half of that,
    but for groups far smaller than the largest of their block."""
    groups = values.reshape(-1, GROUP)
    wanted = symmetric_scales(groups, Q6_ZERO).reshape(-1, NUM_GROUPS)
    largest = np.take_along_axis(wanted, np.abs(wanted).argmax(axis=1)[:, None], axis=1)
    block_scale = half_bytes(largest / np.float32(-Q8_MAX - 1))
    scale = halves(block_scale)
    group_scales = np.clip(np.rint(wanted * reciprocal(scale)), -Q8_MAX - 1, Q8_MAX)
    steps = np.rint(groups * reciprocal(scale * group_scales).reshape(-1, 1))
    steps += Q6_ZERO
    np.clip(steps, 0, 2 * Q6_ZERO - 1, out=steps)
    whole = steps.astype(np.uint8).reshape(len(values), -1)
    low, high = packed(whole & np.uint8(15), 64, 4), packed(whole >> np.uint8(4), 32, 2)
    signed = group_scales.astype(np.int8).view(np.uint8)
    return np.concatenate([low, high, signed, block_scale], axis=1)
