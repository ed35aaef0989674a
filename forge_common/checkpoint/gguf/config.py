"""The metadata of a GGUF file as the `config.json` that the model would have, and so its config.

One reading of fields, bounds and families serves both kinds of checkpoint. Knows keys of metadata,
not what a model computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec.structs import replace

from forge_common.checkpoint.generation_config import (
    GenerationDefaults,
    StatedGeneration,
    resolve_generation,
)
from forge_common.checkpoint.gguf.architectures import ARCHITECTURES, GgufArchitecture, Variant
from forge_common.checkpoint.gguf.container import Container
from forge_common.checkpoint.gguf.end_tokens import end_token_ids
from forge_common.checkpoint.gguf.metadata import Metadata
from forge_common.checkpoint.gguf.rope_fields import head_dim, rope_fields
from forge_common.checkpoint.gguf.tensors import OUTPUT
from forge_common.checkpoint.model_config import ModelConfig, parse_model_config
from forge_common.errors import ModelError

# Keys behind `{architecture}.`, by the field of `config.json` that says the same.
INTEGER_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "hidden_size": "embedding_length",
        "intermediate_size": "feed_forward_length",
        "num_hidden_layers": "block_count",
        "num_attention_heads": "attention.head_count",
        "num_key_value_heads": "attention.head_count_kv",
        "head_dim": "attention.key_length",
        "max_position_embeddings": "context_length",
    }
)
NUMBER_KEYS: Mapping[str, str] = MappingProxyType(
    {"rms_norm_eps": "attention.layer_norm_rms_epsilon", "rope_theta": "rope.freq_base"}
)
SAMPLING_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "temperature": "general.sampling.temp",
        "top_p": "general.sampling.top_p",
        "min_p": "general.sampling.min_p",
        "repetition_penalty": "general.sampling.penalty_repeat",
    }
)
# What changes what a model computes, and must not be passed over where the family knows it not.
MEANT_KEYS = (
    "attention.sliding_window",
    "attention.scale",
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "attention.temperature_scale",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "embedding_scale",
    "residual_scale",
    "logit_scale",
    "expert_count",
    "expert_shared_count",
    "leading_dense_block_count",
    "nextn_predict_layers",
    "rope.freq_base_swa",
)


def architecture_of(metadata: Metadata) -> GgufArchitecture:
    name = metadata.text("general.architecture")
    has_experts = bool(name and metadata.integer(f"{name}.expert_count"))
    if name is None or Variant(name, has_experts) not in ARCHITECTURES:
        known = ", ".join(dict.fromkeys(variant.name for variant in ARCHITECTURES))
        asked = f"{(name or '(none stated)')[:100]}{' with experts' if has_experts else ''}"
        raise ModelError(f"{metadata.source}: architecture {asked} is unknown; known: {known}")
    return ARCHITECTURES[Variant(name, has_experts)]


def read_config(container: Container) -> ModelConfig:
    """ModelError names the file and the field of `config.json` at fault."""
    metadata = container.metadata
    architecture = architecture_of(metadata)
    text = msgspec.json.encode(_fields(container, architecture))
    config = parse_model_config(text, metadata.source)
    return replace(config, norm_offset=0.0) if architecture.adds_norm_offset else config


def read_generation(metadata: Metadata) -> GenerationDefaults:
    """How the makers would sample, where the file says so, and what ends a text."""
    fields: dict[str, Any] = {
        field: value
        for field, key in SAMPLING_KEYS.items()
        if (value := metadata.number(key)) is not None
    }
    fields["top_k"] = metadata.integer("general.sampling.top_k")
    try:
        stated = msgspec.convert(fields, StatedGeneration)
    except msgspec.ValidationError as error:
        raise ModelError(f"{metadata.source}: sampling defaults: {error}") from error
    return resolve_generation(stated, end_token_ids(metadata))


def _fields(container: Container, architecture: GgufArchitecture) -> dict[str, Any]:
    metadata, tensors = container
    stated = {**_stated(metadata, architecture), **rope_fields(container, architecture.name)}
    return {
        "architectures": [architecture.family],
        "vocab_size": _vocab_size(container),
        "eos_token_id": list(end_token_ids(metadata)),
        "tie_word_embeddings": OUTPUT not in tensors,
        "attention_bias": "blk.0.attn_output.bias" in tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in tensors,
        "query_pre_attn_scalar": _query_scalar(metadata, architecture),
        **architecture.fields,
        **{field: value for field, value in stated.items() if value is not None},
    }


def _stated(metadata: Metadata, architecture: GgufArchitecture) -> dict[str, Any]:
    """What the keys say, by fields; None where the file has no such key."""
    prefix = architecture.name + "."
    _check_keys(metadata, architecture)
    integers = {field: metadata.uniform(prefix + key) for field, key in INTEGER_KEYS.items()}
    numbers = {field: metadata.number(prefix + key) for field, key in NUMBER_KEYS.items()}
    further = {field: _either(metadata, prefix + key) for key, field in architecture.keys.items()}
    return {**integers, **numbers, **further}


def _either(metadata: Metadata, key: str) -> int | float | None:
    """A whole number as it is; 0 stands for none there."""
    value = metadata.number(key)
    if value is None or value == 0:
        return None
    return int(value) if value.is_integer() else value


def _query_scalar(metadata: Metadata, architecture: GgufArchitecture) -> float | None:
    """Whose root queries are divided by, for the families that have such a field."""
    prefix = architecture.name + "."
    if architecture.depth_scaled_by_width is None:
        return None
    if metadata.integer(prefix + "block_count") != architecture.depth_scaled_by_width:
        return head_dim(metadata, architecture.name)
    width = metadata.integer(prefix + "embedding_length")
    heads = metadata.uniform(prefix + "attention.head_count")
    return width / heads if width and heads else None


def _vocab_size(container: Container) -> int | None:
    """The rows of the embedding: the list of tokens may be shorter."""
    embedding = container.tensors.get("token_embd.weight")
    return None if embedding is None else embedding.shape[0]


def _check_keys(metadata: Metadata, architecture: GgufArchitecture) -> None:
    prefix = architecture.name + "."
    for key in MEANT_KEYS:
        if key not in architecture.keys and metadata.number(prefix + key):
            raise ModelError(
                f"{metadata.source}: `{prefix}{key}` is not supported for this architecture"
            )
    # Heads of values are as wide as those of keys in every family that is served.
    widths = [metadata.integer(f"{prefix}attention.{part}_length") for part in ("key", "value")]
    if widths[0] != widths[1]:
        raise ModelError(
            f"{metadata.source}: keys of {widths[0]} and values of {widths[1]} numbers a head are"
            " unsupported"
        )
