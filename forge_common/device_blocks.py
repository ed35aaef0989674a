"""Weights that a GPU keeps in blocks, and how many bytes that takes.

Blocks are those a file has, or runs, which integers of 4 bits and floats of 8 that several tensors
tell are brought into where neighbours share a scale: of as many numbers as rows and groups of
scales are multiples of. A row is groups of 128 numbers on the device, the last one filled up
(forge_worker/cuda/block_matrix.py). What is multiplied as one weight, such as q|k|v, is kept in
blocks where all parts can be; they may differ in format. Experts are widened, and so are weights
whose groups lie in an order. Knows names and sizes, not what the bits mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from forge_common.checkpoint import TensorInfo
from forge_common.checkpoint.tensor_info import PackedWeight

RunFormatName: TypeAlias = Literal["I4_32", "I4_64", "I4_128", "E4M3_128"]

GROUP = 128
GROUP_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "Q8_0": 136,
        "Q4_0": 72,
        "Q4_K": 72,
        "Q6_K": 105,
        "I4_32": 80,
        "I4_64": 72,
        "I4_128": 68,
        "E4M3_128": 132,
    }
)
INTEGER_RUNS: Mapping[int, RunFormatName] = MappingProxyType(
    {128: "I4_128", 64: "I4_64", 32: "I4_32"}
)
FLOAT_RUN = 128
EXACT_SCALES = ("BF16", "F16")  # in a word beside the zero point
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
    kept = [parts for parts in weights.values() if all(map(kept_as, parts))]
    formats = {kept_as(part) for parts in kept for part in parts}
    return KeptBlocks(
        tuple(sorted(filter(None, formats))),
        frozenset(part.name for parts in kept for part in parts),
        max((sum(math.prod(part.shape) for part in parts) for parts in kept), default=0),
    )


def block_bytes(tensor: TensorInfo) -> int:
    """Of a tensor that is kept."""
    num_rows, num_columns = tensor.shape
    return num_rows * -(-num_columns // GROUP) * GROUP_BYTES[kept_as(tensor) or tensor.dtype]


def is_of_expert(name: str) -> bool:
    return OF_EXPERT.search(name) is not None


def kept_as(tensor: TensorInfo) -> str | None:
    """The format of a tensor's blocks; None where it is widened."""
    if len(tensor.shape) != 2 or is_of_expert(tensor.name):
        return None
    if tensor.packed is not None:
        return run_format(tensor.packed, tensor.shape[1])
    return tensor.dtype if tensor.dtype in GROUP_BYTES else None


def run_format(packed: PackedWeight, num_columns: int) -> RunFormatName | None:
    """The longest runs that hold a weight told by several tensors exactly."""
    scheme, divisor = packed.scheme, math.gcd(packed.columns_per_scale, num_columns)
    if scheme.has_order:
        return None
    if scheme.kind == "fp8":
        return "E4M3_128" if divisor % FLOAT_RUN == 0 else None
    if scheme.bits != 4 or packed.scales.dtype not in EXACT_SCALES:
        return None
    return next((name for run, name in INTEGER_RUNS.items() if divisor % run == 0), None)


def _joined_name(name: str) -> str:
    for pattern in JOINED:
        name = pattern.sub("joined", name)
    return name
