"""What is measured: a load, what it is to be beaten by, and what each engine took for it.

Knows no engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

SHORT_CONTEXT = 32
LONG_CONTEXT = 1024
NUM_DECODE_STEPS = 24
PREFILL_TOKENS = 512


class Load(NamedTuple):
    """`num_steps` tokens for each of `batch_size` sequences behind `context` tokens of prompt."""

    batch_size: int
    context: int
    num_steps: int

    @property
    def is_prefill(self) -> bool:
        """Whether the prompt is what counts, and not what comes after it."""
        return self.num_steps == 1

    @property
    def num_tokens(self) -> int:
        return self.batch_size * (self.context if self.is_prefill else self.num_steps)

    @property
    def name(self) -> str:
        if self.is_prefill:
            return f"prefill {self.context}"
        if self.context == SHORT_CONTEXT:
            return f"batch {self.batch_size}"
        return f"batch {self.batch_size}, context {self.context}"


def decode(batch_size: int, context: int = SHORT_CONTEXT) -> Load:
    return Load(batch_size, context, NUM_DECODE_STEPS)


PREFILL = Load(1, PREFILL_TOKENS, 1)
LONG = decode(16, LONG_CONTEXT)
LOADS = (decode(1), decode(8), decode(16), decode(32), PREFILL)


class Peer(NamedTuple):
    """One format of weights: as Forge is asked for it, and as llama.cpp calls the like of it."""

    forge: str
    llama_cpp: str
    bits_per_weight: float


FORMATS: Mapping[str, Peer] = MappingProxyType(
    {
        "q8_0": Peer("q8_0", "Q8_0", 8.5),
        "q4_0": Peer("q4_0", "Q4_0", 4.5),
        "q4_k": Peer("q4_k", "Q4_K_M", 4.5),
        "bf16": Peer("none", "BF16", 16),
    }
)

# Ratios to llama.cpp, in the order of LOADS.
GOALS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "q8_0": (1.2, 3.0, 4.0, 4.5, 3.7),
        "q4_0": (1.1, 1.8, 2.0, 2.2, 2.0),
        "q4_k": (1.1, 1.8, 2.0, 2.2, 2.0),
        "bf16": (1.05, 1.4, 1.8, 1.75, 1.3),
    }
)
LONG_GOAL = 3.0


def goal(format_name: str, load: Load) -> float:
    if load == LONG:
        return LONG_GOAL
    return GOALS[format_name][LOADS.index(load)]
