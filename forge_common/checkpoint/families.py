"""What each architecture Forge serves takes for granted: the defaults its `config.json` leaves out.

A family that differs from Llama only in these facts is one entry here and one line in the worker's
registry. Knows nothing of how a difference is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

Activation = Literal["silu", "gelu_tanh"]
QkNorm = Literal["head", "all"]  # over each head of Q and K, or over all of Q, and all of K


class LayerNorms(Struct, frozen=True):
    """Names of a layer's norms in a checkpoint: of what goes into a part, and of what comes out."""

    before_attention: str | None = "input_layernorm"
    after_attention: str | None = None
    before_mlp: str | None = "post_attention_layernorm"
    after_mlp: str | None = None
    is_shared: bool = False  # both parts read what came into the layer, normed once

    @property
    def names(self) -> tuple[str, ...]:
        norms = (self.before_attention, self.after_attention, self.before_mlp, self.after_mlp)
        return tuple(name for name in norms if name is not None)


class ExpertNames(Struct, frozen=True):
    """How a checkpoint names a layer's experts, in place of `mlp`."""

    prefix: str
    router: str
    gate: str
    up: str
    down: str


class Family(Struct, frozen=True, kw_only=True):
    architecture: str
    default_head_dim: int | None = None  # None: hidden_size / num_heads
    default_theta: float = 10_000.0
    local_theta: float | None = None  # of sliding layers, where they have one of their own
    default_layer_types: int | None = None  # every n-th layer sees everything, the others a window
    reads_attention_bias: bool = False  # `attention_bias` gives Q, K, V and the output one
    reads_mlp_bias: bool = False
    always_qkv_bias: bool = False
    qk_norm: QkNorm | None = None
    norms: LayerNorms = LayerNorms()
    norm_offset: float = 0.0  # added to the stored weight of every norm
    has_fused_projections: bool = False
    reads_sliding_window: bool = False
    default_window: int | None = None
    needs_use_sliding_window: bool = False  # the window counts only beside `use_sliding_window`
    default_max_window_layers: int = 0  # layers before this one see everything
    reads_multipliers: bool = False
    reads_softcaps: bool = False
    scales_embedding: bool = False  # by the root of hidden_size
    default_logit_scale: float | None = None  # `logit_scale` multiplies logits
    centres_norms: bool = False  # LayerNorm without bias, with `layer_norm_eps`
    turns_part: bool = False  # of each head, by `partial_rotary_factor`
    turns_neighbours: bool = False  # dimensions 2i and 2i + 1 of a head, not i and i + half
    turns_windows_only: bool = False  # layers that see everything turn nothing
    skips_rotation: bool = False  # in the layers that `no_rope_layers` marks by 0
    experts: ExpertNames | None = None
    renormalises_experts: bool = False  # whatever `norm_topk_prob` says
    tied_by_default: bool = False


_GEMMA_NORMS = LayerNorms(
    before_attention="input_layernorm",
    after_attention="post_attention_layernorm",
    before_mlp="pre_feedforward_layernorm",
    after_mlp="post_feedforward_layernorm",
)

_FAMILIES = (
    Family(architecture="LlamaForCausalLM", reads_attention_bias=True, reads_mlp_bias=True),
    Family(architecture="MistralForCausalLM", reads_sliding_window=True, default_window=4096),
    Family(
        architecture="Qwen2ForCausalLM",
        always_qkv_bias=True,
        reads_sliding_window=True,
        default_window=4096,
        needs_use_sliding_window=True,
        default_max_window_layers=28,
    ),
    Family(
        architecture="Qwen3ForCausalLM",
        default_head_dim=128,
        reads_attention_bias=True,
        qk_norm="head",
        reads_sliding_window=True,
        default_window=4096,
        needs_use_sliding_window=True,
        default_max_window_layers=28,
    ),
    Family(
        architecture="Gemma2ForCausalLM",
        default_head_dim=256,
        default_layer_types=2,
        reads_attention_bias=True,
        reads_sliding_window=True,
        default_window=4096,
        reads_softcaps=True,
        scales_embedding=True,
        norms=_GEMMA_NORMS,
        norm_offset=1.0,
        tied_by_default=True,
    ),
    Family(
        architecture="Gemma3ForCausalLM",
        default_head_dim=256,
        default_theta=1_000_000.0,
        local_theta=10_000.0,
        default_layer_types=6,
        reads_attention_bias=True,
        reads_sliding_window=True,
        default_window=4096,
        reads_softcaps=True,
        scales_embedding=True,
        qk_norm="head",
        norms=_GEMMA_NORMS,
        norm_offset=1.0,
        tied_by_default=True,
    ),
    Family(
        architecture="Phi3ForCausalLM",
        has_fused_projections=True,
        reads_sliding_window=True,
        turns_part=True,
    ),
    Family(
        architecture="Olmo2ForCausalLM",
        reads_attention_bias=True,
        qk_norm="all",
        norms=LayerNorms(
            before_attention=None,
            after_attention="post_attention_layernorm",
            before_mlp=None,
            after_mlp="post_feedforward_layernorm",
        ),
    ),
    Family(
        architecture="GraniteForCausalLM",
        reads_attention_bias=True,
        reads_mlp_bias=True,
        reads_multipliers=True,
    ),
    Family(
        architecture="SmolLM3ForCausalLM",
        default_theta=2_000_000.0,
        reads_attention_bias=True,
        reads_mlp_bias=True,
        reads_sliding_window=True,
        needs_use_sliding_window=True,
        skips_rotation=True,
        tied_by_default=True,
    ),
    Family(
        architecture="Cohere2ForCausalLM",
        default_layer_types=4,
        reads_attention_bias=True,
        reads_sliding_window=True,
        default_window=4096,
        default_logit_scale=0.0625,
        centres_norms=True,
        norms=LayerNorms(before_mlp=None, is_shared=True),
        turns_neighbours=True,
        turns_windows_only=True,
        tied_by_default=True,
    ),
    Family(
        architecture="MixtralForCausalLM",
        default_theta=1_000_000.0,
        reads_sliding_window=True,
        experts=ExpertNames("block_sparse_moe", "gate", "w1", "w3", "w2"),
        renormalises_experts=True,
    ),
    Family(
        architecture="Qwen3MoeForCausalLM",
        default_head_dim=128,
        reads_attention_bias=True,
        qk_norm="head",
        reads_sliding_window=True,
        default_window=4096,
        needs_use_sliding_window=True,
        default_max_window_layers=28,
        experts=ExpertNames("mlp", "gate", "gate_proj", "up_proj", "down_proj"),
    ),
)

FAMILIES: Mapping[str, Family] = MappingProxyType({f.architecture: f for f in _FAMILIES})
