"""What each layer sees and how it turns: a stated config, and what its family takes for granted.

Knows one layer after the other, and no tensors.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from forge_common.checkpoint.families import Family
from forge_common.checkpoint.rope_scaling import (
    Rope,
    RopeDefaults,
    parse_rope,
    without_rotation,
)
from forge_common.checkpoint.stated_config import LayerKind, StatedConfig
from forge_common.errors import ModelError


def sliding_windows(stated: StatedConfig, family: Family) -> tuple[int | None, ...]:
    """One entry a layer: how many keys a query sees, None for all."""
    width = family.default_window if stated.sliding_window is UNSET else stated.sliding_window
    is_on = stated.use_sliding_window or not family.needs_use_sliding_window
    if width is None or not family.reads_sliding_window or not is_on:
        return (None,) * stated.num_hidden_layers
    kinds = _kinds(stated, family)
    return tuple(width if kind == "sliding_attention" else None for kind in kinds)


def ropes(stated: StatedConfig, family: Family, head_dim: int, source: str) -> tuple[Rope, ...]:
    """One entry a layer."""
    parameters: dict[str, Any] = stated.rope_parameters or stated.rope_scaling or {}
    defaults = RopeDefaults(
        stated.rope_theta or family.default_theta, head_dim, stated.max_position_embeddings
    )
    if family.local_theta is not None:
        local_theta = stated.rope_local_base_freq or family.local_theta
        own = parameters.get("sliding_attention", {})
        local = parse_rope(own, defaults._replace(theta=local_theta), source)
        full = parse_rope(parameters.get("full_attention", parameters), defaults, source)
        kinds = _kinds(stated, family)
        return tuple(local if kind == "sliding_attention" else full for kind in kinds)
    full = parse_rope(_with_fields_beside(parameters, stated), defaults, source)
    if full.num_dims != head_dim and not family.turns_part:
        raise ModelError(
            f"{source}: rope parameters: `partial_rotary_factor` is none of {family.architecture}"
        )
    still = without_rotation(full)
    return tuple(full if turns else still for turns in _turning_layers(stated, family))


def _kinds(stated: StatedConfig, family: Family) -> list[LayerKind]:
    """By `layer_types`, by every n-th layer, or by the layers from `max_window_layers` on."""
    if stated.layer_types is not None:
        return stated.layer_types
    layers = range(stated.num_hidden_layers)
    every = stated.sliding_window_pattern or family.default_layer_types
    if family.default_layer_types is not None and every is not None:
        return ["sliding_attention" if (n + 1) % every else "full_attention" for n in layers]
    first = stated.max_window_layers
    if first is None or not family.needs_use_sliding_window:
        first = family.default_max_window_layers
    return ["sliding_attention" if n >= first else "full_attention" for n in layers]


def _with_fields_beside(parameters: dict[str, Any], stated: StatedConfig) -> dict[str, Any]:
    """Some writers put a parameter of the rope beside the others of the config."""
    parameters = dict(parameters)
    if stated.partial_rotary_factor is not None:
        parameters.setdefault("partial_rotary_factor", stated.partial_rotary_factor)
    if stated.original_max_position_embeddings is not None:
        parameters["original_max_position_embeddings"] = stated.original_max_position_embeddings
    return parameters


def _turning_layers(stated: StatedConfig, family: Family) -> list[bool]:
    if family.turns_windows_only:
        return [window is not None for window in sliding_windows(stated, family)]
    if not family.skips_rotation:
        return [True] * stated.num_hidden_layers
    if stated.no_rope_layers is not None:
        return [bool(turns) for turns in stated.no_rope_layers]
    interval = stated.no_rope_layer_interval
    return [bool((n + 1) % interval) for n in range(stated.num_hidden_layers)]
