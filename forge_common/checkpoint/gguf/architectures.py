"""Which of HuggingFace's families a GGUF architecture is, and how its files differ from theirs.

A family that comes to Forge is an entry here: the names of its tensors, and the keys of its
metadata beyond those that all have. Knows names, not files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

_SHARED: Mapping[str, str] = MappingProxyType(
    {
        "attn_norm": "input_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
)


class GgufArchitecture(Struct, frozen=True, kw_only=True):
    """`layer_tensors` maps `blk.N.X` to `model.layers.N.Y`; `keys` maps further metadata to fields
    of `config.json`, both without what precedes them."""

    name: str  # `general.architecture`
    family: str  # HuggingFace's architecture
    layer_tensors: Mapping[str, str] = _SHARED
    keys: Mapping[str, str] = MappingProxyType({})
    fields: Mapping[str, object] = MappingProxyType({})  # of `config.json`, the same for all
    pairs_heads: bool = False  # rows of Q and K lie as pairs for rotation


_ARCHITECTURES = (
    GgufArchitecture(name="llama", family="LlamaForCausalLM", pairs_heads=True),
    GgufArchitecture(name="qwen2", family="Qwen2ForCausalLM"),
    GgufArchitecture(name="qwen3", family="Qwen3ForCausalLM"),
)

ARCHITECTURES: Mapping[str, GgufArchitecture] = MappingProxyType(
    {architecture.name: architecture for architecture in _ARCHITECTURES}
)
