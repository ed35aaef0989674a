"""Functions of 16 numbers that a gate or a soft cap applies. Knows no layer and no memory."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from forge_common.checkpoint.families import Activation
from forge_worker.cpu.native.kernel import inlined
from forge_worker.cpu.native.lanes import add16, div16, exp16, fma16, mul16, splat16, sub16

GATE_CODES: Mapping[Activation, int] = MappingProxyType({"silu": 0, "gelu_tanh": 1})
SILU = GATE_CODES["silu"]
CUBE_SHARE = 0.044715
TWICE_ROOT = 1.5957691216057308  # 2 · √(2/π)


@inlined
def gate16(x: object, up: object, code: int) -> object:
    """act(x) · up, where silu(x) = x / (1 + e^-x), and gelu(x) is nearly x / (1 + e^-2u) with
    u = √(2/π) · (x + 0.044715 · x³), which is x / 2 · (1 + tanh u) (Hendrycks and Gimpel 2016)."""
    slope = x
    if code != SILU:
        bent = fma16(mul16(mul16(x, x), x), splat16(CUBE_SHARE), x)
        slope = mul16(bent, splat16(TWICE_ROOT))
    opened = add16(splat16(1.0), exp16(sub16(splat16(0.0), slope)))
    return mul16(div16(x, opened), up)


@inlined
def bend16(x: object, cap: float) -> object:
    """cap · tanh(x / cap) = cap - 2 · cap / (e^(2x / cap) + 1)"""
    grown = add16(exp16(mul16(x, splat16(2 / cap))), splat16(1.0))
    return sub16(splat16(cap), div16(splat16(2 * cap), grown))
