"""The ways a checkpoint stretches its rotary position embedding, as `config.json` states them.

    linear    positions divided by `factor`                              (Chen et al. 2023)
    dynamic   theta grows with the length, beyond the trained one        (NTK-aware, 2023)
    llama3    long wavelengths divided by `factor`, short ones kept      (Llama 3.1)
    yarn      a ramp between both, and a factor on the attention         (Peng et al. 2023)

Knows the parameters and their bounds, not how frequencies are computed from them. `None` where a
RopeScaling is expected means the plain embedding.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from forge_common.errors import ModelError

Factor = Annotated[float, Meta(ge=1.0, le=2.0**20)]
PositiveFloat = Annotated[float, Meta(gt=0.0, le=2.0**20)]
PositionCount = Annotated[int, Meta(ge=1, le=2**31)]

PLAIN = frozenset({"default", "none"})
NO_PARAMETER = frozenset({"type", "rope_type", "rope_theta", "partial_rotary_factor", "finetuned"})


class Scaling(Struct, frozen=True, tag_field="rope_type", forbid_unknown_fields=True, kw_only=True):
    """One way of stretching; its tag is HuggingFace's `rope_type`."""


class LinearScaling(Scaling, frozen=True, tag="linear"):
    factor: Factor


class DynamicScaling(Scaling, frozen=True, tag="dynamic"):
    factor: Factor
    original_max_position_embeddings: PositionCount


class Llama3Scaling(Scaling, frozen=True, tag="llama3"):
    factor: Factor
    original_max_position_embeddings: PositionCount
    low_freq_factor: PositiveFloat
    high_freq_factor: PositiveFloat

    def __post_init__(self) -> None:
        if self.high_freq_factor <= self.low_freq_factor:
            raise ValueError("`high_freq_factor` must be above `low_freq_factor`")


class YarnScaling(Scaling, frozen=True, tag="yarn"):
    factor: Factor
    original_max_position_embeddings: PositionCount
    attention_factor: PositiveFloat | None = None
    beta_fast: PositiveFloat | None = None
    beta_slow: PositiveFloat | None = None
    mscale: PositiveFloat | None = None
    mscale_all_dim: PositiveFloat | None = None
    truncate: bool = True


RopeScaling = LinearScaling | DynamicScaling | Llama3Scaling | YarnScaling


class StatedRope(Struct, frozen=True):
    """What stands beside the parameters of a scaling, in either generation of `config.json`."""

    rope_type: str | None = None
    type: str | None = None
    rope_theta: Annotated[float, Meta(gt=1.0, le=1e12)] | None = None
    partial_rotary_factor: Annotated[float, Meta(ge=1.0, le=1.0)] | None = None

    @property
    def kind(self) -> str:
        return self.rope_type or self.type or "default"


class Rope(Struct, frozen=True):
    theta: float
    scaling: RopeScaling | None


def parse_rope(
    stated: dict[str, Any], default_theta: float, max_position_embeddings: int, source: str
) -> Rope:
    """Reads `rope_scaling` and `rope_parameters` alike. Dynamic scaling counts from
    `max_position_embeddings`, as its HuggingFace original does, whatever else is stated."""
    try:
        common = msgspec.convert(stated, StatedRope)
        parameters = {key: value for key, value in stated.items() if key not in NO_PARAMETER}
        scaling = _parse_scaling(common.kind, parameters, max_position_embeddings)
    except msgspec.ValidationError as error:
        raise ModelError(f"{source}: rope parameters: {error}") from error
    return Rope(theta=common.rope_theta or default_theta, scaling=scaling)


def _parse_scaling(kind: str, parameters: dict[str, Any], length: int) -> RopeScaling | None:
    if kind == "dynamic":
        parameters["original_max_position_embeddings"] = length
    elif kind in {"llama3", "yarn"}:
        parameters.setdefault("original_max_position_embeddings", length)
    else:
        parameters.pop("original_max_position_embeddings", None)
    if kind not in PLAIN:
        scaling: RopeScaling = msgspec.convert({"rope_type": kind, **parameters}, RopeScaling)
        return scaling
    if parameters:
        raise msgspec.ValidationError(f"`{kind}` takes none, but has {sorted(parameters)}")
    return None
