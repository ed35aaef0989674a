"""Norms of a layer, where it has them. Knows no device."""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_worker.ops.protocol import Joining, RmsNorm
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.names import layer_prefix


def load_norm(
    config: ModelConfig, loader: WeightLoader, layer: int, name: str | None
) -> RmsNorm | None:
    """`name` as in LayerNorms."""
    if name is None:
        return None
    return RmsNorm(loader.load_norm(f"{layer_prefix(layer)}{name}.weight"), config.rms_norm_eps)


def load_joining(
    config: ModelConfig, loader: WeightLoader, layer: int, name: str | None
) -> Joining:
    """How what a part of a layer computed is added to the residual."""
    return Joining(load_norm(config, loader, layer, name), config.residual_scale)
