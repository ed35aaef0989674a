"""What `--dataset` may say: `synthetic:in=256,out=128`, `shared-prefix:…` or `jsonl:FILE`.

Knows nothing of the prompts that are made of it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from forge_common.errors import ConfigError

NumTokens = Annotated[int, Meta(ge=1, le=10_000_000)]
Spread = Annotated[float, Meta(ge=0, le=1)]


class Synthetic(Struct, frozen=True, tag="synthetic", forbid_unknown_fields=True):
    """Random words; lengths are even within `spread` (a share) of what is asked for."""

    num_input_tokens: NumTokens = field(name="in", default=256)
    num_output_tokens: NumTokens = field(name="out", default=128)
    spread: Spread = 0.0


class SharedPrefix(Struct, frozen=True, tag="shared-prefix", forbid_unknown_fields=True):
    """Synthetic prompts behind one of `groups` long beginnings that many of them share."""

    num_prefix_tokens: NumTokens = field(name="prefix", default=512)
    groups: Annotated[int, Meta(ge=1, le=100_000)] = 1
    num_input_tokens: NumTokens = field(name="in", default=64)
    num_output_tokens: NumTokens = field(name="out", default=128)
    spread: Spread = 0.0


class Jsonl(Struct, frozen=True, tag="jsonl", forbid_unknown_fields=True):
    """A file with a JSON object a line, in order, and from the start again at its end."""

    path: str
    num_output_tokens: NumTokens = field(name="out", default=128)


DatasetSpec = Synthetic | SharedPrefix | Jsonl


def dataset_spec(text: str) -> DatasetSpec:
    """Raises ConfigError."""
    kind, _, rest = text.partition(":")
    parts = [part.strip() for part in rest.split(",") if part.strip()]
    values: dict[str, str] = {"type": kind}
    if kind == "jsonl" and parts:
        values["path"] = parts.pop(0)
    for part in parts:
        name, _, value = part.partition("=")
        values[name] = value
    try:
        spec: DatasetSpec = msgspec.convert(values, DatasetSpec, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--dataset {text}: {error}") from error
    return spec
