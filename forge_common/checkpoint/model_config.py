"""ModelConfig: what shape a model has, read from `config.json` and made explicit.

Every default of a family is filled in here, so that nobody downstream asks what an absent field
means. Both generations of rope fields are read: `rope_scaling` + `rope_theta`, and the
`rope_parameters` of transformers 5. Knows nothing of tensors, files of weights, or arrays.
"""

from __future__ import annotations

import math
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from forge_common.checkpoint import layer_facts
from forge_common.checkpoint.families import (
    FAMILIES,
    Activation,
    ExpertNames,
    Family,
    LayerNorms,
    QkNorm,
)
from forge_common.checkpoint.json_file import decode_json, read_bounded
from forge_common.checkpoint.quantized.scheme import Scheme
from forge_common.checkpoint.quantized.stated import parse_scheme
from forge_common.checkpoint.rope_scaling import Rope, for_context
from forge_common.checkpoint.stated_config import (
    DtypeName,
    StatedArchitecture,
    StatedConfig,
)
from forge_common.errors import ModelError


class Experts(Struct, frozen=True):
    """Feed-forward parts of a layer, of which a token takes a few (Shazeer et al. 2017)."""

    num_experts: int
    num_chosen: int  # by the largest probabilities of the router
    intermediate_size: int  # of each
    is_renormalised: bool  # the chosen probabilities are divided by their sum
    names: ExpertNames


class ModelConfig(Struct, frozen=True, kw_only=True):
    """Bounded and consistent: heads divide evenly; what is said of layers has an entry for each."""

    architecture: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    rms_norm_eps: float
    ropes: tuple[Rope, ...]  # of each layer
    sliding_windows: tuple[int | None, ...]  # keys a query of the layer sees, itself included
    max_position_embeddings: int
    tie_word_embeddings: bool
    has_qkv_bias: bool
    has_attention_output_bias: bool
    has_mlp_bias: bool
    dtype: DtypeName | None  # as stated; the weights' own dtypes decide
    eos_token_ids: tuple[int, ...]
    qk_norm: QkNorm | None = None
    norms: LayerNorms = LayerNorms()
    norm_offset: float = 0.0
    has_fused_projections: bool = False
    turns_neighbours: bool = False  # as checkpoints have Q and K
    activation: Activation = "silu"
    attention_scale: float | None = None  # of Q·K; None: 1 / sqrt(head_dim)
    attention_softcap: float | None = None  # scores become cap · tanh(score / cap)
    logit_softcap: float | None = None
    logit_scale: float = 1.0
    embedding_scale: float = 1.0
    residual_scale: float = 1.0  # of what a layer's parts add
    layer_experts: tuple[Experts | None, ...] = ()  # of each layer; none at all where empty
    quantization: Scheme | None = None  # of some of its weights, in a HuggingFace directory

    @property
    def num_queries_per_kv(self) -> int:
        return self.num_heads // self.num_kv_heads

    @property
    def distinct_ropes(self) -> tuple[Rope, ...]:
        return tuple(dict.fromkeys(self.ropes))

    def experts_of(self, layer: int) -> Experts | None:
        return self.layer_experts[layer] if self.layer_experts else None

    def for_context(self, length: int) -> ModelConfig:
        """Where contexts of up to `length` tokens are served."""
        return replace(self, ropes=tuple(for_context(rope, length) for rope in self.ropes))


def read_model_config(path: Path) -> ModelConfig:
    """`path` is a `config.json`; ModelError names it and the field at fault."""
    return parse_model_config(read_bounded(path), str(path))


def parse_model_config(text: bytes, source: str) -> ModelConfig:
    """`text` is what `config.json` says, or would say; errors name `source`."""
    family = _family(decode_json(text, StatedArchitecture, source), source)
    return resolve(decode_json(text, StatedConfig, source), family, source)


def _family(stated: StatedArchitecture, source: str) -> Family:
    for name in stated.architectures:
        if name in FAMILIES:
            return FAMILIES[name]
    asked = ", ".join(stated.architectures) or "(none stated)"
    raise ModelError(f"{source}: architecture {asked} is unknown; known: {', '.join(FAMILIES)}")


def resolve(stated: StatedConfig, family: Family, source: str) -> ModelConfig:
    """ModelError, naming `source`, where the fields contradict each other."""
    num_kv_heads = stated.num_key_value_heads or stated.num_attention_heads
    _check(stated, num_kv_heads, source)
    head_dim = _head_dim(stated, family, source)
    tied = stated.tie_word_embeddings
    eos = stated.eos_token_id
    return ModelConfig(
        architecture=family.architecture,
        vocab_size=stated.vocab_size,
        hidden_size=stated.hidden_size,
        intermediate_size=stated.intermediate_size,
        num_layers=stated.num_hidden_layers,
        num_heads=stated.num_attention_heads,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        rms_norm_eps=stated.layer_norm_eps if family.centres_norms else stated.rms_norm_eps,
        ropes=layer_facts.ropes(stated, family, head_dim, source),
        sliding_windows=layer_facts.sliding_windows(stated, family),
        max_position_embeddings=stated.max_position_embeddings,
        tie_word_embeddings=family.tied_by_default if tied is None else tied,
        has_qkv_bias=family.always_qkv_bias
        or (family.reads_attention_bias and stated.attention_bias),
        has_attention_output_bias=family.reads_attention_bias and stated.attention_bias,
        has_mlp_bias=family.reads_mlp_bias and stated.mlp_bias,
        qk_norm=family.qk_norm,
        norms=family.norms,
        norm_offset=family.norm_offset,
        has_fused_projections=family.has_fused_projections,
        turns_neighbours=family.turns_neighbours,
        activation=_activation(stated),
        attention_scale=_attention_scale(stated, family),
        attention_softcap=stated.attn_logit_softcapping if family.reads_softcaps else None,
        logit_softcap=stated.final_logit_softcapping if family.reads_softcaps else None,
        logit_scale=_logit_scale(stated, family),
        embedding_scale=_embedding_scale(stated, family),
        residual_scale=stated.residual_multiplier if family.reads_multipliers else 1.0,
        layer_experts=_layer_experts(stated, family, source),
        quantization=_quantization(stated, source),
        dtype=stated.dtype or stated.torch_dtype,
        eos_token_ids=tuple(eos) if isinstance(eos, list) else () if eos is None else (eos,),
    )


def _check(stated: StatedConfig, num_kv_heads: int, source: str) -> None:
    if stated.num_attention_heads % num_kv_heads:
        raise ModelError(
            f"{source}: `num_attention_heads` ({stated.num_attention_heads}) is no multiple"
            f" of `num_key_value_heads` ({num_kv_heads})"
        )
    for name in ("layer_types", "no_rope_layers"):
        entries = getattr(stated, name)
        if entries and len(entries) != stated.num_hidden_layers:
            raise ModelError(f"{source}: `{name}` must have one entry for each hidden layer")
    if stated.use_bidirectional_attention:
        raise ModelError(f"{source}: `use_bidirectional_attention`: Forge generates text only")


def _head_dim(stated: StatedConfig, family: Family, source: str) -> int:
    head_dim = stated.head_dim or family.default_head_dim
    if head_dim is None:
        head_dim, remainder = divmod(stated.hidden_size, stated.num_attention_heads)
        if remainder or head_dim % 2:
            raise ModelError(
                f"{source}: `hidden_size` does not split into even `num_attention_heads`"
            )
    return head_dim


def _activation(stated: StatedConfig) -> Activation:
    name = stated.hidden_activation or stated.hidden_act
    return "gelu_tanh" if name == "gelu_pytorch_tanh" else name


def _attention_scale(stated: StatedConfig, family: Family) -> float | None:
    if family.reads_multipliers:
        return stated.attention_multiplier
    if family.reads_softcaps:
        return 1 / math.sqrt(stated.query_pre_attn_scalar or 256.0)
    return None


def _logit_scale(stated: StatedConfig, family: Family) -> float:
    if family.default_logit_scale is not None:
        return stated.logit_scale or family.default_logit_scale
    return 1 / stated.logits_scaling if family.reads_multipliers else 1.0


def _embedding_scale(stated: StatedConfig, family: Family) -> float:
    if family.scales_embedding:
        return math.sqrt(stated.hidden_size)
    return stated.embedding_multiplier if family.reads_multipliers else 1.0


def _quantization(stated: StatedConfig, source: str) -> Scheme | None:
    if stated.quantization_config is None:
        return None
    return parse_scheme(stated.quantization_config, source)


def _layer_experts(stated: StatedConfig, family: Family, source: str) -> tuple[Experts | None, ...]:
    if family.experts is None:
        return ()
    num_experts = stated.num_experts or stated.num_local_experts
    if num_experts is None or stated.num_experts_per_tok > num_experts:
        raise ModelError(f"{source}: `num_experts` must be `num_experts_per_tok` at least")
    experts = Experts(
        num_experts,
        stated.num_experts_per_tok,
        stated.moe_intermediate_size or stated.intermediate_size,
        family.renormalises_experts or stated.norm_topk_prob,
        family.experts,
    )
    dense = frozenset(stated.mlp_only_layers or ())
    step = stated.decoder_sparse_step
    return tuple(
        None if layer in dense or (layer + 1) % step else experts
        for layer in range(stated.num_hidden_layers)
    )
