"""GGUF's tensors under HuggingFace's names, one for each that a HuggingFace checkpoint would have.

Knows names and where a tensor's rows begin; what is in no table keeps its name, so that whoever
checks names refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from msgspec.structs import replace

from forge_common.checkpoint.gguf.architectures import GgufArchitecture
from forge_common.checkpoint.model_config import ModelConfig
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.errors import ModelError

OUTPUT = "output.weight"
ROPE_DIVISORS = "rope_freqs.weight"
LONG_DIVISORS = "rope_factors_long.weight"
SHORT_DIVISORS = "rope_factors_short.weight"
TOP_LEVEL: Mapping[str, str] = MappingProxyType(
    {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
        OUTPUT: "lm_head.weight",
    }
)
# What the config has taken from them is all there is in them.
IN_CONFIG = frozenset({ROPE_DIVISORS, LONG_DIVISORS, SHORT_DIVISORS})
LAYER_TENSOR = re.compile(r"blk\.(?P<layer>\d{1,5})\.(?P<part>\w+)\.(?P<kind>weight|bias)")
MAX_EXPERTS = 2**10
QUERY, KEY = "self_attn.q_proj", "self_attn.k_proj"


def model_tensors(
    tensors: Mapping[str, TensorInfo], architecture: GgufArchitecture, config: ModelConfig
) -> dict[str, TensorInfo]:
    """`tensors` by HuggingFace's names."""
    return {
        tensor.name: tensor
        for stored in tensors.values()
        if stored.name not in IN_CONFIG
        for tensor in _renamed(stored, architecture, config)
    }


def _renamed(
    stored: TensorInfo, architecture: GgufArchitecture, config: ModelConfig
) -> Iterator[TensorInfo]:
    if stored.name in TOP_LEVEL:
        yield replace(stored, name=TOP_LEVEL[stored.name])
        return
    match = LAYER_TENSOR.fullmatch(stored.name)
    part = architecture.layer_tensors.get(match["part"]) if match else None
    if match is None or part is None:
        yield stored
        return
    name = f"model.layers.{int(match['layer'])}.{part}.{match['kind']}"
    heads = {QUERY: config.num_heads, KEY: config.num_kv_heads}.get(part)
    if "{}" in name:
        yield from _of_experts(stored, name)
    elif architecture.pairs_heads:
        yield replace(stored, name=name, num_paired_heads=heads)
    else:
        yield replace(stored, name=name)


def _of_experts(stored: TensorInfo, name: str) -> Iterator[TensorInfo]:
    """A tensor [num_experts, ...] as one for each of them."""
    num_experts, *shape = stored.shape
    if not shape or num_experts > MAX_EXPERTS:
        raise ModelError(
            f"{stored.file}: tensor `{stored.name}` should be that of 1 to {MAX_EXPERTS} experts"
        )
    num_bytes = stored.num_bytes // max(1, num_experts)
    for expert in range(num_experts):
        yield replace(
            stored,
            name=name.format(expert),
            shape=tuple(shape),
            offset=stored.offset + expert * num_bytes,
            num_bytes=num_bytes,
        )
