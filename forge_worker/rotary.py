"""Rotary position embedding: the angle of each dimension pair at each position (Su et al. 2021).

The frequencies follow HuggingFace's in float32, rounding included, since an angle is a product of
a position and a frequency and long positions magnify the last bit. The dynamic scaling depends on
the length of the sequence; here it is that of the position itself (p + 1), so that a key never
depends on what came later, on chunks, or on the prefix cache. That equals HuggingFace whenever
positions beyond the trained length are computed one at a time.

Dimension i of a head is paired with i + head_dim / 2, and the pairs that a rope turns are the first
ones: whoever loads a model orders its heads so (`weights/head_order.py`).
"""

from __future__ import annotations

import math
from typing import NamedTuple, assert_never

import numpy as np

from forge_common.checkpoint.rope_scaling import (
    DynamicScaling,
    LinearScaling,
    Llama3Scaling,
    LongRopeScaling,
    Rope,
    YarnScaling,
)
from forge_worker.forward_inputs import FloatArray, IntArray


class Rotation(NamedTuple):
    """Both halves of a head side by side, times the scaling's attention factor."""

    cos: FloatArray  # [T, head_dim]: cos, cos
    sin: FloatArray  # [T, head_dim]: -sin, sin


def rotation(rope: Rope, head_dim: int, positions: IntArray) -> Rotation:
    """Dimensions that the rope leaves alone have cos 1 and sin 0."""
    cos = np.ones((len(positions), head_dim // 2), np.float32)
    sin = np.zeros_like(cos)
    if rope.num_dims:
        angles = positions.astype(np.float32)[:, None] * frequencies(rope, positions)
        factor = np.float32(attention_factor(rope))
        cos[:, : rope.num_dims // 2] = np.cos(angles) * factor
        sin[:, : rope.num_dims // 2] = np.sin(angles) * factor
    return Rotation(np.concatenate([cos, cos], axis=1), np.concatenate([-sin, sin], axis=1))


def rotate(heads: FloatArray, rotation: Rotation, rows: slice) -> None:
    """Rotate the pairs (i, i + head_dim / 2) of every head in place: heads [rows, n, head_dim]."""
    half = heads.shape[-1] // 2
    swapped = np.concatenate([heads[..., half:], heads[..., :half]], axis=-1)
    swapped *= rotation.sin[rows, None]
    heads *= rotation.cos[rows, None]
    heads += swapped


def frequencies(rope: Rope, positions: IntArray) -> FloatArray:
    """Radians a position: [num_dims / 2], or [T, num_dims / 2] where they depend on it."""
    plain = _frequencies_of(np.asarray(rope.theta, np.float32), rope.num_dims)
    match rope.scaling:
        case None:
            return plain
        case LinearScaling(factor=factor):
            return plain / np.float32(factor)
        case DynamicScaling() as scaling:
            return _dynamic(scaling, rope, positions)
        case Llama3Scaling() as scaling:
            return _llama3(scaling, plain)
        case YarnScaling() as scaling:
            return _yarn(scaling, rope, plain)
        case LongRopeScaling() as scaling:
            divisors: FloatArray = np.array(scaling.divisors, np.float32)
            return plain / divisors
        case other:
            assert_never(other)


def attention_factor(rope: Rope) -> float:
    """The temperature of YaRN and LongRoPE, in cos and sin so that it reaches Q·K squared."""
    match rope.scaling:
        case (
            YarnScaling(attention_factor=float(stated))
            | LongRopeScaling(attention_factor=float(stated))
        ):
            return stated
        case YarnScaling() as scaling if scaling.mscale and scaling.mscale_all_dim:
            return _mscale(scaling.factor, scaling.mscale) / _mscale(
                scaling.factor, scaling.mscale_all_dim
            )
        case YarnScaling(factor=factor):
            return _mscale(factor, 1.0)
        case LongRopeScaling(factor=factor) as scaling if factor > 1.0:
            length = scaling.original_max_position_embeddings
            return math.sqrt(1 + math.log(factor) / math.log(length))
        case _:
            return 1.0


def _mscale(factor: float, mscale: float) -> float:
    return 1.0 if factor <= 1.0 else 0.1 * mscale * math.log(factor) + 1.0


def _frequencies_of(theta: FloatArray, head_dim: int) -> FloatArray:
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    powers: FloatArray = np.power(theta[..., None], exponents, dtype=np.float32)
    inverse: FloatArray = np.float32(1.0) / powers
    return inverse


def _dynamic(scaling: DynamicScaling, rope: Rope, positions: IntArray) -> FloatArray:
    original, dim = scaling.original_max_position_embeddings, rope.num_dims
    length = np.maximum(positions + 1, original).astype(np.float32)
    stretch = scaling.factor * length / original - (scaling.factor - 1)
    theta = rope.theta * stretch ** (dim / (dim - 2)) if dim > 2 else stretch
    return _frequencies_of(theta.astype(np.float32), dim)


def _llama3(scaling: Llama3Scaling, plain: FloatArray) -> FloatArray:
    """Divide long wavelengths by the factor, keep short ones, blend those between."""
    length = scaling.original_max_position_embeddings
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    turns = length * plain / (2 * math.pi)
    blend = np.clip((turns - low) / (high - low), 0.0, 1.0).astype(np.float32)
    blended: FloatArray = (1 - blend) * plain / np.float32(scaling.factor) + blend * plain
    return blended


def _yarn(scaling: YarnScaling, rope: Rope, plain: FloatArray) -> FloatArray:
    """Extrapolate fast dimensions, interpolate slow ones, with a linear ramp between."""
    low = _yarn_dimension(scaling.beta_fast or 32.0, scaling, rope)
    high = _yarn_dimension(scaling.beta_slow or 1.0, scaling, rope)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, rope.num_dims - 1)
    width = high - low if high != low else 0.001
    dimensions = np.arange(rope.num_dims // 2, dtype=np.float32)
    ramp = np.clip((dimensions - low) / width, 0.0, 1.0).astype(np.float32)
    mixed: FloatArray = plain / np.float32(scaling.factor) * ramp + plain * (1 - ramp)
    return mixed


def _yarn_dimension(num_turns: float, scaling: YarnScaling, rope: Rope) -> float:
    """The dimension that turns `num_turns` times over the original context."""
    length = scaling.original_max_position_embeddings
    return rope.num_dims * math.log(length / (num_turns * 2 * math.pi)) / (2 * math.log(rope.theta))
