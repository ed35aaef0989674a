"""StatedConfig: `config.json` word for word, as far as Forge reads it, bounded, not yet resolved.

Knows HuggingFace's names of fields, and no family.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Width = Annotated[int, Meta(ge=1, le=2**20)]
Depth = Annotated[int, Meta(ge=1, le=2**12)]
NumHeads = Annotated[int, Meta(ge=1, le=2**12)]
NumExperts = Annotated[int, Meta(ge=1, le=2**10)]
HeadDim = Annotated[int, Meta(ge=2, le=2**12, multiple_of=2)]
NumPositions = Annotated[int, Meta(ge=1, le=2**31)]
Epsilon = Annotated[float, Meta(gt=0.0, le=1.0)]
Theta = Annotated[float, Meta(gt=1.0, le=1e12)]
Multiplier = Annotated[float, Meta(gt=0.0, le=2.0**20)]
Window = Annotated[int, Meta(ge=1, le=2**31)]
Interval = Annotated[int, Meta(ge=1, le=2**12)]
TokenId = Annotated[int, Meta(ge=0, lt=2**31)]
LayerKind = Literal["full_attention", "sliding_attention"]
StatedActivation = Literal["silu", "gelu_pytorch_tanh"]
DtypeName = Literal["float32", "float16", "bfloat16"]


class StatedConfig(Struct, frozen=True, kw_only=True):
    architectures: Annotated[list[str], Meta(min_length=1)]
    vocab_size: Annotated[int, Meta(ge=1, le=2**24)]
    hidden_size: Width
    intermediate_size: Width
    num_hidden_layers: Depth
    num_attention_heads: NumHeads
    num_key_value_heads: NumHeads | None = None
    head_dim: HeadDim | None = None
    max_position_embeddings: NumPositions
    rms_norm_eps: Epsilon = 1e-6
    layer_norm_eps: Epsilon = 1e-5
    rope_theta: Theta | None = None
    rope_local_base_freq: Theta | None = None
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None
    partial_rotary_factor: float | None = None
    original_max_position_embeddings: NumPositions | None = None
    no_rope_layers: list[Annotated[int, Meta(ge=0, le=1)]] | None = None
    no_rope_layer_interval: Interval = 4
    sliding_window: Window | UnsetType | None = UNSET
    sliding_window_pattern: Interval | None = None
    use_sliding_window: bool = False
    max_window_layers: Annotated[int, Meta(ge=0)] | None = None
    layer_types: list[LayerKind] | None = None
    tie_word_embeddings: bool | None = None
    attention_bias: bool = False
    mlp_bias: bool = False
    hidden_act: StatedActivation = "silu"
    hidden_activation: StatedActivation | None = None
    query_pre_attn_scalar: Multiplier | None = None
    attn_logit_softcapping: Multiplier | None = None
    final_logit_softcapping: Multiplier | None = None
    embedding_multiplier: Multiplier = 1.0
    attention_multiplier: Multiplier = 1.0
    residual_multiplier: Multiplier = 1.0
    logits_scaling: Multiplier = 1.0  # divides them
    logit_scale: Multiplier | None = None
    num_experts: NumExperts | None = None
    num_local_experts: NumExperts | None = None
    num_experts_per_tok: NumExperts = 2
    moe_intermediate_size: Width | None = None
    norm_topk_prob: bool = False
    decoder_sparse_step: Interval = 1
    mlp_only_layers: list[int] | None = None
    use_bidirectional_attention: bool | None = None
    dtype: DtypeName | None = None
    torch_dtype: DtypeName | None = None
    eos_token_id: TokenId | Annotated[list[TokenId], Meta(max_length=1024)] | None = None
    quantization_config: dict[str, Any] | None = None


class StatedArchitecture(Struct, frozen=True):
    architectures: list[str] = field(default_factory=list)
