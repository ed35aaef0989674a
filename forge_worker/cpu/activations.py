"""Functions of single numbers, on whole arrays in place: gates, and soft caps. Knows no layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from forge_common.checkpoint.families import Activation
from forge_worker.forward_inputs import FloatArray


def silu_mul(gate: FloatArray, up: FloatArray) -> None:
    """up becomes silu(gate) · up; gate is used up."""
    up *= gate
    np.negative(gate, out=gate)
    with np.errstate(over="ignore"):  # exp(-gate) = inf: silu is 0, as it should be
        np.exp(gate, out=gate)
    gate += 1
    up /= gate


def gelu_tanh_mul(gate: FloatArray, up: FloatArray) -> None:
    """up becomes gelu(gate) · up; gate is used up.

    gelu(x) = x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) (Hendrycks and Gimpel 2016).
    """
    up *= gate
    cubed = gate * gate * gate
    cubed *= np.float32(0.044715)
    gate += cubed
    gate *= np.float32(math.sqrt(2 / math.pi))
    np.tanh(gate, out=gate)
    gate += 1
    gate *= np.float32(0.5)
    up *= gate


ACTIVATIONS: Mapping[Activation, Callable[[FloatArray, FloatArray], None]] = MappingProxyType(
    {"silu": silu_mul, "gelu_tanh": gelu_tanh_mul}
)


def bend(scores: FloatArray, softcap: float | None) -> None:
    """cap · tanh(score / cap): nearly as it is where small, never beyond the cap (Gemma 2)."""
    if softcap is not None:
        scores /= np.float32(softcap)
        np.tanh(scores, out=scores)
        scores *= np.float32(softcap)
