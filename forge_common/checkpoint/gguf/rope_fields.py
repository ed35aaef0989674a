"""How a GGUF file says that queries and keys are turned, as fields of `config.json`.

Most of it is in keys; divisors of single frequencies are tensors: `rope_freqs` has Llama 3.1's,
worked out for every dimension, the others have LongRoPE's two sets. Knows no arithmetic.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from forge_common.checkpoint.gguf.container import Container
from forge_common.checkpoint.gguf.metadata import Metadata
from forge_common.checkpoint.gguf.tensors import LONG_DIVISORS, ROPE_DIVISORS, SHORT_DIVISORS
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.errors import ModelError

MAX_DIVISORS = 2**11
YARN_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "factor": "factor",
        "attention_factor": "yarn_attn_factor",
        "beta_fast": "yarn_beta_fast",
        "beta_slow": "yarn_beta_slow",
    }
)


def rope_fields(container: Container, architecture: str) -> dict[str, Any]:
    """`rope_scaling`, and `partial_rotary_factor` where a head is not turned as a whole; None for
    what the file does not say."""
    metadata = container.metadata
    turned, width = (
        metadata.integer(f"{architecture}.rope.dimension_count"),
        head_dim(metadata, architecture),
    )
    is_partial = turned is not None and width is not None and turned != width
    return {
        "rope_scaling": _scaling(container, f"{architecture}.rope."),
        "partial_rotary_factor": turned / width if turned and width and is_partial else None,
    }


def head_dim(metadata: Metadata, architecture: str) -> int | None:
    """As stated, or what follows from the number of heads."""
    stated = metadata.integer(f"{architecture}.attention.key_length")
    if stated is not None:
        return stated
    width = metadata.integer(f"{architecture}.embedding_length")
    heads = metadata.uniform(f"{architecture}.attention.head_count")
    return width // heads if width and heads else None


def _scaling(container: Container, prefix: str) -> Mapping[str, Any] | None:
    metadata, tensors = container
    if ROPE_DIVISORS in tensors:
        divisors = _divisors(tensors[ROPE_DIVISORS])
        return {"rope_type": "longrope", "short_factor": divisors, "long_factor": divisors}
    if SHORT_DIVISORS in tensors and LONG_DIVISORS in tensors:
        return _longrope(container, prefix)
    kind = metadata.text(prefix + "scaling.type") or "none"
    match kind:
        case "none":
            linear = metadata.number(prefix + "scale_linear")
            return {"rope_type": "linear", "factor": linear} if linear and linear != 1 else None
        case "linear":
            factor = metadata.number(prefix + "scaling.factor")
            return {"rope_type": "linear", "factor": factor or 1.0}
        case "yarn":
            return _yarn(metadata, prefix)
        case _:
            raise ModelError(f"{metadata.source}: rope scaling `{kind[:100]}` is unsupported")


def _longrope(container: Container, prefix: str) -> Mapping[str, Any]:
    metadata, tensors = container
    stated = {
        "attention_factor": metadata.number(prefix + "scaling.attn_factor"),
        "original_max_position_embeddings": metadata.integer(
            prefix + "scaling.original_context_length"
        ),
        "short_factor": _divisors(tensors[SHORT_DIVISORS]),
        "long_factor": _divisors(tensors[LONG_DIVISORS]),
    }
    return {"rope_type": "longrope", **_without_none(stated)}


def _yarn(metadata: Metadata, prefix: str) -> Mapping[str, Any]:
    stated = {field: metadata.number(f"{prefix}scaling.{key}") for field, key in YARN_KEYS.items()}
    original = metadata.integer(prefix + "scaling.original_context_length")
    return {
        "rope_type": "yarn",
        **_without_none({**stated, "original_max_position_embeddings": original}),
    }


def _without_none(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in stated.items() if value is not None}


def _divisors(stored: TensorInfo) -> list[float]:
    """One for each pair of dimensions."""
    if stored.dtype != "F32" or len(stored.shape) != 1 or stored.shape[0] > MAX_DIVISORS:
        raise ModelError(f"{stored.file}: `{stored.name}` should be a short list of F32 numbers")
    try:
        with stored.file.open("rb") as file:
            file.seek(stored.offset)
            return list(struct.unpack(f"<{stored.shape[0]}f", file.read(stored.num_bytes)))
    except OSError as error:
        raise ModelError(f"{stored.file}: {error.strerror or error}") from error
