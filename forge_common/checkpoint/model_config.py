"""ModelConfig: what shape a model has, read from `config.json` and made explicit.

Every default of a family is filled in here, so that nobody downstream asks what an absent field
means. Both generations of rope fields are read: `rope_scaling` + `rope_theta`, and the
`rope_parameters` of transformers 5. Knows nothing of tensors, files of weights, or arrays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from forge_common.checkpoint.families import FAMILIES, Family
from forge_common.checkpoint.json_file import read_json
from forge_common.checkpoint.rope_scaling import Rope, RopeScaling, parse_rope
from forge_common.errors import ModelError

Width = Annotated[int, Meta(ge=1, le=2**20)]
Depth = Annotated[int, Meta(ge=1, le=2**12)]
NumHeads = Annotated[int, Meta(ge=1, le=2**12)]
HeadDim = Annotated[int, Meta(ge=2, le=2**12, multiple_of=2)]
NumPositions = Annotated[int, Meta(ge=1, le=2**31)]
Epsilon = Annotated[float, Meta(gt=0.0, le=1.0)]
Theta = Annotated[float, Meta(gt=1.0, le=1e12)]
TokenId = Annotated[int, Meta(ge=0, lt=2**31)]
DEFAULT_THETA = 10_000.0
LayerKind = Literal["full_attention", "sliding_attention"]
DtypeName = Literal["float32", "float16", "bfloat16"]


class ModelConfig(Struct, frozen=True, kw_only=True):
    """Bounded and consistent: heads divide evenly, `sliding_windows` has one entry a layer."""

    architecture: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    rope_scaling: RopeScaling | None
    sliding_windows: tuple[int | None, ...]  # keys a query of the layer sees, itself included
    max_position_embeddings: int
    tie_word_embeddings: bool
    has_qkv_bias: bool
    has_attention_output_bias: bool
    has_mlp_bias: bool
    has_qk_norm: bool
    hidden_act: Literal["silu"]
    dtype: DtypeName | None  # as stated; the weights' own dtypes decide
    eos_token_ids: tuple[int, ...]

    @property
    def num_queries_per_kv(self) -> int:
        return self.num_heads // self.num_kv_heads


class StatedConfig(Struct, frozen=True, kw_only=True):
    """`config.json` word for word: the fields Forge reads, under HuggingFace's names."""

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
    rope_theta: Theta | None = None
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None
    partial_rotary_factor: float | None = None
    original_max_position_embeddings: NumPositions | None = None
    sliding_window: Annotated[int, Meta(ge=1, le=2**31)] | None = 4096  # where not stated at all
    use_sliding_window: bool = False
    max_window_layers: Annotated[int, Meta(ge=0)] | None = None
    layer_types: list[LayerKind] | None = None
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    hidden_act: Literal["silu"] = "silu"
    dtype: DtypeName | None = None
    torch_dtype: DtypeName | None = None
    eos_token_id: TokenId | Annotated[list[TokenId], Meta(max_length=1024)] | None = None
    quantization_config: dict[str, Any] | None = None


class StatedArchitecture(Struct, frozen=True):
    architectures: list[str] = field(default_factory=list)


def read_model_config(path: Path) -> ModelConfig:
    """`path` is a `config.json`; ModelError names it and the field at fault."""
    family = _family(read_json(path, StatedArchitecture), str(path))
    return _resolve(read_json(path, StatedConfig), family, str(path))


def _family(stated: StatedArchitecture, source: str) -> Family:
    for name in stated.architectures:
        if name in FAMILIES:
            return FAMILIES[name]
    asked = ", ".join(stated.architectures) or "(none stated)"
    raise ModelError(f"{source}: architecture {asked} is unknown; known: {', '.join(FAMILIES)}")


def _resolve(stated: StatedConfig, family: Family, source: str) -> ModelConfig:
    rope = _rope(stated, source)
    num_kv_heads = stated.num_key_value_heads or stated.num_attention_heads
    eos = stated.eos_token_id
    _check(stated, num_kv_heads, source)
    return ModelConfig(
        architecture=family.architecture,
        vocab_size=stated.vocab_size,
        hidden_size=stated.hidden_size,
        intermediate_size=stated.intermediate_size,
        num_layers=stated.num_hidden_layers,
        num_heads=stated.num_attention_heads,
        num_kv_heads=num_kv_heads,
        head_dim=_head_dim(stated, family, source),
        rms_norm_eps=stated.rms_norm_eps,
        rope_theta=rope.theta,
        rope_scaling=rope.scaling,
        sliding_windows=_sliding_windows(stated, family),
        max_position_embeddings=stated.max_position_embeddings,
        tie_word_embeddings=stated.tie_word_embeddings,
        has_qkv_bias=family.always_qkv_bias
        or (family.reads_attention_bias and stated.attention_bias),
        has_attention_output_bias=family.reads_attention_bias and stated.attention_bias,
        has_mlp_bias=family.reads_mlp_bias and stated.mlp_bias,
        has_qk_norm=family.qk_norm,
        hidden_act=stated.hidden_act,
        dtype=stated.dtype or stated.torch_dtype,
        eos_token_ids=tuple(eos) if isinstance(eos, list) else () if eos is None else (eos,),
    )


def _check(stated: StatedConfig, num_kv_heads: int, source: str) -> None:
    if stated.num_attention_heads % num_kv_heads:
        raise ModelError(
            f"{source}: `num_attention_heads` ({stated.num_attention_heads}) is no multiple"
            f" of `num_key_value_heads` ({num_kv_heads})"
        )
    if stated.layer_types and len(stated.layer_types) != stated.num_hidden_layers:
        raise ModelError(f"{source}: `layer_types` must have one entry for each hidden layer")
    if stated.quantization_config is not None:
        raise ModelError(
            f"{source}: `quantization_config`: quantised checkpoints are not supported"
        )


def _head_dim(stated: StatedConfig, family: Family, source: str) -> int:
    head_dim = stated.head_dim or family.default_head_dim
    if head_dim is None:
        head_dim, remainder = divmod(stated.hidden_size, stated.num_attention_heads)
        if remainder or head_dim % 2:
            raise ModelError(
                f"{source}: `hidden_size` does not split into even `num_attention_heads`"
            )
    return head_dim


def _rope(stated: StatedConfig, source: str) -> Rope:
    parameters = dict(stated.rope_parameters or stated.rope_scaling or {})
    if stated.partial_rotary_factor is not None:
        parameters.setdefault("partial_rotary_factor", stated.partial_rotary_factor)
    if stated.original_max_position_embeddings is not None:
        parameters["original_max_position_embeddings"] = stated.original_max_position_embeddings
    return parse_rope(
        parameters, stated.rope_theta or DEFAULT_THETA, stated.max_position_embeddings, source
    )


def _sliding_windows(stated: StatedConfig, family: Family) -> tuple[int | None, ...]:
    """One entry a layer: by `layer_types` where stated, else those from `max_window_layers` on."""
    num_layers = stated.num_hidden_layers
    is_on = stated.use_sliding_window or not family.needs_use_sliding_window
    if not family.reads_sliding_window or not is_on:
        return (None,) * num_layers
    first = stated.max_window_layers
    if first is None or not family.needs_use_sliding_window:
        first = family.default_max_window_layers
    kinds: list[LayerKind] = stated.layer_types or [
        "sliding_attention" if layer >= first else "full_attention" for layer in range(num_layers)
    ]
    return tuple(stated.sliding_window if kind == "sliding_attention" else None for kind in kinds)
