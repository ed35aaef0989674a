"""What each architecture Forge serves takes for granted: the defaults its `config.json` leaves out.

A family that differs from Llama only in these facts is one entry here and one line in the worker's
registry. Knows nothing of tensors, and nothing of how a difference is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct


class Family(Struct, frozen=True, kw_only=True):
    architecture: str
    default_head_dim: int | None = None  # None: hidden_size / num_heads
    reads_attention_bias: bool = False  # `attention_bias` gives Q, K, V and the output one
    reads_mlp_bias: bool = False
    always_qkv_bias: bool = False
    qk_norm: bool = False
    reads_sliding_window: bool = False
    needs_use_sliding_window: bool = False  # the window counts only beside `use_sliding_window`
    default_max_window_layers: int = 0  # layers before this one see everything


_FAMILIES = (
    Family(architecture="LlamaForCausalLM", reads_attention_bias=True, reads_mlp_bias=True),
    Family(architecture="MistralForCausalLM", reads_sliding_window=True),
    Family(
        architecture="Qwen2ForCausalLM",
        always_qkv_bias=True,
        reads_sliding_window=True,
        needs_use_sliding_window=True,
        default_max_window_layers=28,
    ),
    Family(
        architecture="Qwen3ForCausalLM",
        default_head_dim=128,
        reads_attention_bias=True,
        qk_norm=True,
        reads_sliding_window=True,
        needs_use_sliding_window=True,
        default_max_window_layers=28,
    ),
)

FAMILIES: Mapping[str, Family] = MappingProxyType({f.architecture: f for f in _FAMILIES})
