"""Weights that a GPU keeps in the blocks a file has them in, and how many bytes that takes.

A row is groups of 128 numbers there, the last one filled up (forge_worker/cuda/block_matrix.py).
What is multiplied as one weight, such as q|k|v, is kept in blocks where all parts can be; they
may differ in format. Experts, and weights told by several tensors, are widened. Knows names
and sizes, not what the bits mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from forge_common.checkpoint import TensorInfo

GROUP = 128
GROUP_BYTES: Mapping[str, int] = MappingProxyType(
    {"Q8_0": 136, "Q4_0": 72, "Q4_K": 72, "Q6_K": 105}
)
JOINED = (
    re.compile(r"(?<=\.self_attn\.)[qkv]_proj(?=\.weight$)"),
    re.compile(r"(?<=\.mlp\.)(gate|up)_proj(?=\.weight$)"),
)
OF_EXPERT = re.compile(r"\.experts\.\d+\.|\.(gate|router)\.weight$")  # or what chooses them


class KeptBlocks(NamedTuple):
    """Of one model. No format where everything is widened."""

    formats: tuple[str, ...] = ()
    tensors: frozenset[str] = frozenset()
    largest_elements: int = 0  # of what is multiplied as one weight: room to widen it in


NO_BLOCKS = KeptBlocks()


def kept_blocks(tensors: Iterable[TensorInfo]) -> KeptBlocks:
    weights: dict[str, list[TensorInfo]] = {}
    for tensor in tensors:
        weights.setdefault(_joined_name(tensor.name), []).append(tensor)
    kept = [parts for parts in weights.values() if all(map(_can_keep, parts))]
    return KeptBlocks(
        tuple(sorted({part.dtype for parts in kept for part in parts})),
        frozenset(part.name for parts in kept for part in parts),
        max((sum(math.prod(part.shape) for part in parts) for parts in kept), default=0),
    )


def block_bytes(tensor: TensorInfo) -> int:
    """Of a tensor that is kept."""
    num_rows, num_columns = tensor.shape
    return num_rows * -(-num_columns // GROUP) * GROUP_BYTES[tensor.dtype]


def is_of_expert(name: str) -> bool:
    return OF_EXPERT.search(name) is not None


def _can_keep(tensor: TensorInfo) -> bool:
    is_matrix = len(tensor.shape) == 2 and tensor.dtype in GROUP_BYTES
    return is_matrix and tensor.packed is None and not is_of_expert(tensor.name)


def _joined_name(name: str) -> str:
    for pattern in JOINED:
        name = pattern.sub("joined", name)
    return name
