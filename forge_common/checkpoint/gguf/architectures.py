"""Which of HuggingFace's families a GGUF architecture is, and how its files differ from theirs.

A family that comes to Forge is an entry here: the names of its tensors, and the keys of its
metadata beyond those that all have. Knows names, not files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

_ATTENTION = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
_MLP = {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
_NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_NORMS_AFTER = {
    "post_attention_norm": "post_attention_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_NORMS_AROUND = {
    **_NORMS_AFTER,
    "attn_norm": "input_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
}
_LLAMA = MappingProxyType({**_ATTENTION, **_MLP, **_NORMS})
# `{}` stands for the number of the expert: GGUF has those of a layer in one tensor.
_QWEN_EXPERTS = {
    "ffn_gate_inp": "mlp.gate",
    "ffn_gate_exps": "mlp.experts.{}.gate_proj",
    "ffn_up_exps": "mlp.experts.{}.up_proj",
    "ffn_down_exps": "mlp.experts.{}.down_proj",
}
_MIXTRAL_EXPERTS = {
    "ffn_gate_inp": "block_sparse_moe.gate",
    "ffn_gate_exps": "block_sparse_moe.experts.{}.w1",
    "ffn_up_exps": "block_sparse_moe.experts.{}.w3",
    "ffn_down_exps": "block_sparse_moe.experts.{}.w2",
}
_GEMMA_KEYS = {
    "attention.sliding_window": "sliding_window",
    "final_logit_softcapping": "final_logit_softcapping",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "rope.freq_base_swa": "rope_local_base_freq",
}
_GRANITE_KEYS = {
    "attention.scale": "attention_multiplier",
    "embedding_scale": "embedding_multiplier",
    "residual_scale": "residual_multiplier",
    "logit_scale": "logits_scaling",
}
_GELU = {"hidden_activation": "gelu_pytorch_tanh"}


class GgufArchitecture(Struct, frozen=True, kw_only=True):
    """`layer_tensors` maps `blk.N.X` to `model.layers.N.Y`; `keys` maps further metadata to fields
    of `config.json`, both without what precedes them."""

    name: str  # `general.architecture`
    family: str  # HuggingFace's architecture
    has_experts: bool = False
    layer_tensors: Mapping[str, str] = _LLAMA
    keys: Mapping[str, str] = MappingProxyType({})
    fields: Mapping[str, object] = MappingProxyType({})  # of `config.json`, the same for all
    pairs_heads: bool = False  # rows of Q and K lie as pairs for rotation
    adds_norm_offset: bool = False  # the weights of norms hold what the family adds to them
    # The one model of the family whose queries are scaled by hidden_size / num_heads, by its
    # depth: no key says so.
    depth_scaled_by_width: int | None = None


_ARCHITECTURES = (
    GgufArchitecture(name="llama", family="LlamaForCausalLM", pairs_heads=True),
    GgufArchitecture(
        name="llama",
        family="MixtralForCausalLM",
        has_experts=True,
        layer_tensors={**_ATTENTION, **_NORMS, **_MIXTRAL_EXPERTS},
        keys={"expert_count": "num_local_experts", "expert_used_count": "num_experts_per_tok"},
        pairs_heads=True,
    ),
    GgufArchitecture(name="qwen2", family="Qwen2ForCausalLM"),
    GgufArchitecture(name="qwen3", family="Qwen3ForCausalLM"),
    GgufArchitecture(
        name="qwen3moe",
        family="Qwen3MoeForCausalLM",
        has_experts=True,
        layer_tensors={**_ATTENTION, **_NORMS, **_QWEN_EXPERTS},
        keys={
            "expert_count": "num_experts",
            "expert_used_count": "num_experts_per_tok",
            "expert_feed_forward_length": "moe_intermediate_size",
        },
        fields={"norm_topk_prob": True},
    ),
    GgufArchitecture(
        name="gemma2",
        family="Gemma2ForCausalLM",
        layer_tensors={**_ATTENTION, **_MLP, **_NORMS_AROUND},
        keys=_GEMMA_KEYS,
        fields=_GELU,
        adds_norm_offset=True,
        depth_scaled_by_width=46,
    ),
    GgufArchitecture(
        name="gemma3",
        family="Gemma3ForCausalLM",
        layer_tensors={**_ATTENTION, **_MLP, **_NORMS_AROUND},
        keys=_GEMMA_KEYS,
        fields=_GELU,
        adds_norm_offset=True,
        depth_scaled_by_width=62,
    ),
    GgufArchitecture(
        name="phi3",
        family="Phi3ForCausalLM",
        layer_tensors={
            **_NORMS,
            "attn_qkv": "self_attn.qkv_proj",
            "attn_output": "self_attn.o_proj",
            "ffn_up": "mlp.gate_up_proj",
            "ffn_down": "mlp.down_proj",
        },
        keys={"attention.sliding_window": "sliding_window"},
    ),
    GgufArchitecture(
        name="olmo2",
        family="Olmo2ForCausalLM",
        layer_tensors={**_ATTENTION, **_MLP, **_NORMS_AFTER},
    ),
    GgufArchitecture(
        name="granite", family="GraniteForCausalLM", keys=_GRANITE_KEYS, pairs_heads=True
    ),
    GgufArchitecture(name="smollm3", family="SmolLM3ForCausalLM", pairs_heads=True),
    GgufArchitecture(
        name="cohere2",
        family="Cohere2ForCausalLM",
        layer_tensors={**_ATTENTION, **_MLP, "attn_norm": "input_layernorm"},
        keys={
            "attention.sliding_window": "sliding_window",
            "attention.layer_norm_epsilon": "layer_norm_eps",
            "logit_scale": "logit_scale",
        },
    ),
)


class Variant(NamedTuple):
    name: str
    has_experts: bool


ARCHITECTURES: Mapping[Variant, GgufArchitecture] = MappingProxyType(
    {Variant(found.name, found.has_experts): found for found in _ARCHITECTURES}
)
