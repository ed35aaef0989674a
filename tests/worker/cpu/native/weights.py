"""What weight formats hold, by NumPy: the same arithmetic without any tile."""

from __future__ import annotations

import numpy as np

from forge_common.weight_format import FormatName
from forge_worker.cpu.native.tiles import ActivationKind
from forge_worker.forward_inputs import FloatArray

BLOCK = 32


def bfloat(x: FloatArray) -> FloatArray:
    """Rounded to even."""
    bits = x.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16
    result: FloatArray = rounded.astype(np.uint32).view(np.float32)
    return result


def in_blocks(x: FloatArray) -> FloatArray:
    """[rows, blocks, 32], zeros behind the last column."""
    padding = -x.shape[1] % BLOCK
    padded = np.pad(x, ((0, 0), (0, padding)))
    return padded.reshape(len(x), padded.shape[1] // BLOCK, BLOCK)


def q8_0(weight: FloatArray) -> FloatArray:
    """As ggml quantises: the scale is rounded to float16 after it was used."""
    blocks = in_blocks(weight)
    scales = np.abs(blocks).max(axis=2, keepdims=True) / np.float32(127)
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    scaled = blocks * inverse
    numbers = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    kept = numbers * scales.astype(np.float16).astype(np.float32)
    result: FloatArray = kept.reshape(len(weight), scales.shape[1] * BLOCK)[
        :, : weight.shape[1]
    ].astype(np.float32)
    return result


def int8(x: FloatArray) -> FloatArray:
    """Activations, 32 to a scale."""
    blocks = in_blocks(x)
    highest = np.abs(blocks).max(axis=2, keepdims=True)
    inverse = np.divide(np.float32(127), highest, out=np.zeros_like(highest), where=highest > 0)
    numbers = np.rint(blocks * inverse)
    kept = numbers * (highest / np.float32(127))
    result: FloatArray = kept.reshape(len(x), highest.shape[1] * BLOCK)[:, : x.shape[1]].astype(
        np.float32
    )
    return result


def stored(weight: FloatArray, name: FormatName) -> FloatArray:
    """What a format keeps of a weight, as float32."""
    if name == "q8_0":
        return q8_0(weight)
    if name == "bf16":
        return bfloat(weight)
    return weight.astype(np.float16).astype(np.float32) if name == "f16" else weight


def prepared(x: FloatArray, kind: ActivationKind) -> FloatArray:
    """What is kept of activations, as float32."""
    if kind == "int8":
        return int8(x)
    return bfloat(x) if kind == "bfloat16" else x
