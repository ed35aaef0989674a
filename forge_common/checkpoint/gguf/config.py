"""The metadata of a GGUF file as the `config.json` that the model would have, and so its config.

One reading of fields, bounds and families serves both kinds of checkpoint. Knows keys of metadata,
not what a model computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forge_common.checkpoint.generation_config import (
    GenerationDefaults,
    StatedGeneration,
    resolve_generation,
)
from forge_common.checkpoint.gguf.architectures import ARCHITECTURES, GgufArchitecture
from forge_common.checkpoint.gguf.container import Container
from forge_common.checkpoint.gguf.divisors import read_divisors
from forge_common.checkpoint.gguf.end_tokens import end_token_ids
from forge_common.checkpoint.gguf.metadata import Metadata, StoredArray
from forge_common.checkpoint.gguf.tensors import OUTPUT
from forge_common.checkpoint.model_config import ModelConfig, parse_model_config
from forge_common.errors import ModelError

# Keys behind `{architecture}.`, by the field of `config.json` that says the same.
INTEGER_KEYS = {
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "max_position_embeddings": "context_length",
}
NUMBER_KEYS = {
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "rope_theta": "rope.freq_base",
}
YARN_KEYS = {"beta_fast": "rope.scaling.yarn_beta_fast", "beta_slow": "rope.scaling.yarn_beta_slow"}
SAMPLING_KEYS = {
    "temperature": "general.sampling.temp",
    "top_p": "general.sampling.top_p",
    "min_p": "general.sampling.min_p",
    "repetition_penalty": "general.sampling.penalty_repeat",
}


def architecture_of(metadata: Metadata) -> GgufArchitecture:
    name = metadata.text("general.architecture")
    if name is None or name not in ARCHITECTURES:
        raise ModelError(
            f"{metadata.source}: architecture {name or '(none stated)'} is unknown;"
            f" known: {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[name]


def read_config(container: Container) -> ModelConfig:
    """ModelError names the file and the field of `config.json` at fault."""
    metadata = container.metadata
    text = msgspec.json.encode(_fields(container, architecture_of(metadata)))
    return parse_model_config(text, metadata.source)


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
    prefix = architecture.name + "."
    integers = {field: uniform(metadata, prefix + key) for field, key in INTEGER_KEYS.items()}
    numbers = {field: metadata.number(prefix + key) for field, key in NUMBER_KEYS.items()}
    further = {field: _any(metadata, prefix + key) for key, field in architecture.keys.items()}
    stated = {**integers, **numbers, **further, **_rope_fields(container, prefix)}
    _check_heads(metadata, prefix)
    return {
        "architectures": [architecture.family],
        "vocab_size": _vocab_size(container),
        "eos_token_id": list(end_token_ids(metadata)),
        "tie_word_embeddings": OUTPUT not in tensors,
        "attention_bias": "blk.0.attn_output.bias" in tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in tensors,
        **architecture.fields,
        **{field: value for field, value in stated.items() if value is not None},
    }


def uniform(metadata: Metadata, key: str) -> int | None:
    """A whole number, or a list of one for each layer that are all the same."""
    if not isinstance(metadata.value(key), StoredArray):
        return metadata.integer(key)
    numbers = set(metadata.integers(key) or ())
    if len(numbers) != 1:
        raise ModelError(f"{metadata.source}: `{key}` differs between layers, which is unsupported")
    return numbers.pop()


def _any(metadata: Metadata, key: str) -> Any:
    value = metadata.value(key)
    return metadata.floats(key) if isinstance(value, StoredArray) else value


def _vocab_size(container: Container) -> int | None:
    """The rows of the embedding: the list of tokens may be shorter."""
    embedding = container.tensors.get("token_embd.weight")
    return None if embedding is None else embedding.shape[0]


def _check_heads(metadata: Metadata, prefix: str) -> None:
    """Heads of values are as wide as those of keys in every family that is served."""
    key, value = (metadata.integer(f"{prefix}attention.{n}_length") for n in ("key", "value"))
    if key != value:
        raise ModelError(
            f"{metadata.source}: keys of {key} and values of {value} numbers a head are unsupported"
        )


def _rope_fields(container: Container, prefix: str) -> dict[str, Any]:
    """`rope_scaling`, and `partial_rotary_factor` where a head is not turned as a whole."""
    metadata = container.metadata
    fields: dict[str, Any] = {"rope_scaling": _scaling(container, prefix)}
    turned = metadata.integer(prefix + "rope.dimension_count")
    head_dim = _head_dim(metadata, prefix)
    if turned is not None and head_dim and turned != head_dim:
        fields["partial_rotary_factor"] = turned / head_dim
    return fields


def _head_dim(metadata: Metadata, prefix: str) -> int | None:
    stated = metadata.integer(prefix + "attention.key_length")
    if stated is not None:
        return stated
    width, heads = (
        metadata.integer(prefix + "embedding_length"),
        uniform(metadata, prefix + "attention.head_count"),
    )
    return width // heads if width and heads else None


def _scaling(container: Container, prefix: str) -> Mapping[str, Any] | None:
    metadata = container.metadata
    if divisors := read_divisors(container.tensors):
        return {"rope_type": "divisors", "divisors": divisors}
    kind = metadata.text(prefix + "rope.scaling.type") or "none"
    factor = metadata.number(prefix + "rope.scaling.factor")
    original = metadata.integer(prefix + "rope.scaling.original_context_length")
    match kind:
        case "none":
            linear = metadata.number(prefix + "rope.scale_linear")
            return {"rope_type": "linear", "factor": linear} if linear and linear != 1 else None
        case "linear":
            return {"rope_type": "linear", "factor": factor or 1.0}
        case "yarn":
            ramp = {field: metadata.number(prefix + key) for field, key in YARN_KEYS.items()}
            stated = {"factor": factor, "original_max_position_embeddings": original, **ramp}
            return {"rope_type": "yarn"} | {k: v for k, v in stated.items() if v is not None}
        case _:
            raise ModelError(f"{metadata.source}: rope scaling `{kind[:100]}` is unsupported")
