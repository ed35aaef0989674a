"""The ways a checkpoint stretches its rotary position embedding, as `config.json` states them.

    linear    positions divided by `factor`                              (Chen et al. 2023)
    dynamic   theta grows with the length, beyond the trained one        (NTK-aware, 2023)
    llama3    long wavelengths divided by `factor`, short ones kept      (Llama 3.1)
    yarn      a ramp between both, and a factor on the attention         (Peng et al. 2023)
    longrope  a divisor for each dimension: one set up to the trained
              length, another beyond it                                  (Ding et al. 2024)

Knows the parameters and their bounds, not how frequencies are computed from them. `None` where a
RopeScaling is expected means the plain embedding.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from forge_common.errors import ModelError

Factor = Annotated[float, Meta(ge=1.0, le=2.0**20)]
PositiveFloat = Annotated[float, Meta(gt=0.0, le=2.0**20)]
PositionCount = Annotated[int, Meta(ge=1, le=2**31)]
Divisors = Annotated[tuple[PositiveFloat, ...], Meta(min_length=1, max_length=2**11)]
RotaryShare = Annotated[float, Meta(gt=0.0, le=1.0)]

PLAIN = frozenset({"default", "none"})
COUNTING = frozenset({"llama3", "yarn", "longrope"})  # from the length the model was first made for
OLD_NAMES = MappingProxyType({"su": "longrope"})
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


class LongRopeScaling(Scaling, frozen=True, tag="longrope"):
    """One set of divisors counts for all: keys are computed long before the length of their
    sequence is known, so that the longest context that is served decides which."""

    short_factor: Divisors
    long_factor: Divisors
    original_max_position_embeddings: PositionCount
    served_length: PositionCount
    factor: Factor
    attention_factor: PositiveFloat | None = None

    @property
    def divisors(self) -> tuple[float, ...]:
        is_short = self.served_length <= self.original_max_position_embeddings
        return self.short_factor if is_short else self.long_factor


RopeScaling = LinearScaling | DynamicScaling | Llama3Scaling | YarnScaling | LongRopeScaling


class StatedRope(Struct, frozen=True):
    """What stands beside the parameters of a scaling, in either generation of `config.json`."""

    rope_type: str | None = None
    type: str | None = None
    rope_theta: Annotated[float, Meta(gt=1.0, le=1e12)] | None = None
    partial_rotary_factor: RotaryShare | None = None

    @property
    def kind(self) -> str:
        kind = self.rope_type or self.type or "default"
        return OLD_NAMES.get(kind, kind)


class Rope(Struct, frozen=True):
    """How the queries and keys of a layer are turned."""

    theta: float
    scaling: RopeScaling | None
    num_dims: int  # of each head that are turned; the others keep still


class RopeDefaults(NamedTuple):
    """What counts where the parameters do not say it."""

    theta: float
    head_dim: int
    max_position_embeddings: int


def parse_rope(stated: dict[str, Any], defaults: RopeDefaults, source: str) -> Rope:
    """Reads `rope_scaling` and `rope_parameters` alike. Dynamic scaling counts from
    `max_position_embeddings`, as its HuggingFace original does, whatever else is stated."""
    try:
        common = msgspec.convert(stated, StatedRope)
        parameters = {key: value for key, value in stated.items() if key not in NO_PARAMETER}
        scaling = _parse_scaling(common.kind, parameters, defaults.max_position_embeddings)
        num_dims = int(defaults.head_dim * (common.partial_rotary_factor or 1.0))
        _check_dims(num_dims, scaling)
    except msgspec.ValidationError as error:
        raise ModelError(f"{source}: rope parameters: {error}") from error
    return Rope(common.rope_theta or defaults.theta, scaling, num_dims)


def without_rotation(rope: Rope) -> Rope:
    """Of a layer that turns nothing."""
    return Rope(rope.theta, None, 0)


def for_context(rope: Rope, length: int) -> Rope:
    """Where contexts of up to `length` tokens are served."""
    if not isinstance(rope.scaling, LongRopeScaling):
        return rope
    return replace(rope, scaling=replace(rope.scaling, served_length=length))


def _check_dims(num_dims: int, scaling: RopeScaling | None) -> None:
    if num_dims % 2:
        raise msgspec.ValidationError("`partial_rotary_factor` leaves an odd number of dimensions")
    if isinstance(scaling, LongRopeScaling):
        for name in ("short_factor", "long_factor"):
            if len(getattr(scaling, name)) != num_dims // 2:
                raise msgspec.ValidationError(f"`{name}` must have {num_dims // 2} entries")


def _parse_scaling(kind: str, parameters: dict[str, Any], length: int) -> RopeScaling | None:
    original = "original_max_position_embeddings"
    if kind == "dynamic":
        parameters[original] = length
    elif kind in COUNTING:
        parameters.setdefault(original, length)
    else:
        parameters.pop(original, None)
    if kind == "longrope":
        parameters["served_length"] = length
        parameters.setdefault("factor", max(1.0, length / max(1, parameters[original])))
    if kind not in PLAIN:
        scaling: RopeScaling = msgspec.convert({"rope_type": kind, **parameters}, RopeScaling)
        return scaling
    if parameters:
        raise msgspec.ValidationError(f"`{kind}` takes none, but has {sorted(parameters)}")
    return None
