"""Q8_0 and Q8_K: signed bytes times one scale.

    Q8_0    f16 d │ i8 q[32]                                     x = q · d
    Q8_K    f32 d │ i8 q[256] │ i16 sums of 16 q each [16]       x = q · d

The sums of Q8_K repeat what q says (ggml keeps activations in it); they are not read.
"""

from __future__ import annotations

import numpy as np

from forge_worker.quantization.fields import Bytes, Floats, half_bytes, halves

Q8_MAX = 127


def decode_q8_0(blocks: Bytes) -> Floats:
    decoded: Floats = blocks[:, 2:].view(np.int8).astype(np.float32)
    decoded *= halves(blocks[:, :2])
    return decoded


def decode_q8_k(blocks: Bytes) -> Floats:
    decoded: Floats = blocks[:, 4:260].view(np.int8).astype(np.float32)
    decoded *= blocks[:, :4].view("<f4")
    return decoded


def encode_q8_0(values: Floats) -> Bytes:
    """[n, 32] to blocks, each number within half a step: max|x| / 254."""
    scales = half_bytes(np.abs(values).max(axis=1, keepdims=True) / np.float32(Q8_MAX))
    scaled = values * reciprocal(halves(scales))
    np.rint(scaled, out=scaled)
    np.clip(scaled, -Q8_MAX, Q8_MAX, out=scaled)
    return np.concatenate([scales, scaled.astype(np.int8).view(np.uint8)], axis=1)


def reciprocal(scales: Floats) -> Floats:
    """1 / scale, and 0 for a scale of 0, whose block holds nothing else."""
    return np.divide(np.float32(1), scales, out=np.zeros_like(scales), where=scales != 0)
