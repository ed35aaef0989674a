"""Rotary position embedding: the angle of each dimension pair at each position (Su et al. 2021).

The frequencies follow HuggingFace's in float32, rounding included, since an angle is a product of
a position and a frequency and long positions magnify the last bit. The dynamic scaling depends on
the length of the sequence; here it is that of the position itself (p + 1), so that a key never
depends on what came later, on chunks, or on the prefix cache. That equals HuggingFace whenever
positions beyond the trained length are computed one at a time.
"""

from __future__ import annotations

import math
from typing import NamedTuple, assert_never

import numpy as np

from forge_common.checkpoint.model_config import ModelConfig
from forge_common.checkpoint.rope_scaling import (
    DynamicScaling,
    LinearScaling,
    Llama3Scaling,
    YarnScaling,
)
from forge_worker.forward_inputs import FloatArray, IntArray


class Rotation(NamedTuple):
    """Both halves of a head side by side, times the scaling's attention factor."""

    cos: FloatArray  # [T, head_dim]: cos, cos
    sin: FloatArray  # [T, head_dim]: -sin, sin


def rotation(config: ModelConfig, positions: IntArray) -> Rotation:
    angles = positions.astype(np.float32)[:, None] * frequencies(config, positions)
    factor = np.float32(attention_factor(config))
    cos, sin = np.cos(angles) * factor, np.sin(angles) * factor
    return Rotation(np.concatenate([cos, cos], axis=1), np.concatenate([-sin, sin], axis=1))


def rotate(heads: FloatArray, rotation: Rotation, rows: slice) -> None:
    """Rotate the pairs (i, i + head_dim / 2) of every head in place: heads [rows, n, head_dim]."""
    half = heads.shape[-1] // 2
    swapped = np.concatenate([heads[..., half:], heads[..., :half]], axis=-1)
    swapped *= rotation.sin[rows, None]
    heads *= rotation.cos[rows, None]
    heads += swapped


def frequencies(config: ModelConfig, positions: IntArray) -> FloatArray:
    """Radians a position: [head_dim / 2], or [T, head_dim / 2] where they depend on it."""
    plain = _frequencies_of(np.asarray(config.rope_theta, np.float32), config.head_dim)
    match config.rope_scaling:
        case None:
            return plain
        case LinearScaling(factor=factor):
            return plain / np.float32(factor)
        case DynamicScaling() as scaling:
            return _dynamic(scaling, config, positions)
        case Llama3Scaling() as scaling:
            return _llama3(scaling, plain)
        case YarnScaling() as scaling:
            return _yarn(scaling, config, plain)
        case other:
            assert_never(other)


def attention_factor(config: ModelConfig) -> float:
    """YaRN's temperature, folded into cos and sin so that it reaches Q·K squared."""
    scaling = config.rope_scaling
    if not isinstance(scaling, YarnScaling):
        return 1.0
    if scaling.attention_factor is not None:
        return scaling.attention_factor
    if scaling.mscale and scaling.mscale_all_dim:
        return _mscale(scaling.factor, scaling.mscale) / _mscale(
            scaling.factor, scaling.mscale_all_dim
        )
    return _mscale(scaling.factor, 1.0)


def _mscale(factor: float, mscale: float) -> float:
    return 1.0 if factor <= 1.0 else 0.1 * mscale * math.log(factor) + 1.0


def _frequencies_of(theta: FloatArray, head_dim: int) -> FloatArray:
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    powers: FloatArray = np.power(theta[..., None], exponents, dtype=np.float32)
    inverse: FloatArray = np.float32(1.0) / powers
    return inverse


def _dynamic(scaling: DynamicScaling, config: ModelConfig, positions: IntArray) -> FloatArray:
    original, dim = scaling.original_max_position_embeddings, config.head_dim
    length = np.maximum(positions + 1, original).astype(np.float32)
    stretch = scaling.factor * length / original - (scaling.factor - 1)
    theta = config.rope_theta * stretch ** (dim / (dim - 2)) if dim > 2 else stretch
    return _frequencies_of(theta.astype(np.float32), dim)


def _llama3(scaling: Llama3Scaling, plain: FloatArray) -> FloatArray:
    """Divide long wavelengths by the factor, keep short ones, blend those between."""
    length = scaling.original_max_position_embeddings
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    turns = length * plain / (2 * math.pi)
    blend = np.clip((turns - low) / (high - low), 0.0, 1.0).astype(np.float32)
    blended: FloatArray = (1 - blend) * plain / np.float32(scaling.factor) + blend * plain
    return blended


def _yarn(scaling: YarnScaling, config: ModelConfig, plain: FloatArray) -> FloatArray:
    """Extrapolate fast dimensions, interpolate slow ones, with a linear ramp between."""
    low = _yarn_dimension(scaling.beta_fast or 32.0, scaling, config)
    high = _yarn_dimension(scaling.beta_slow or 1.0, scaling, config)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, config.head_dim - 1)
    width = high - low if high != low else 0.001
    dimensions = np.arange(config.head_dim // 2, dtype=np.float32)
    ramp = np.clip((dimensions - low) / width, 0.0, 1.0).astype(np.float32)
    mixed: FloatArray = plain / np.float32(scaling.factor) * ramp + plain * (1 - ramp)
    return mixed


def _yarn_dimension(num_turns: float, scaling: YarnScaling, config: ModelConfig) -> float:
    """The dimension that turns `num_turns` times over the original context."""
    length = scaling.original_max_position_embeddings
    return (
        config.head_dim
        * math.log(length / (num_turns * 2 * math.pi))
        / (2 * math.log(config.rope_theta))
    )
