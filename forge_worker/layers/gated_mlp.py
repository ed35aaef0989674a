"""The gated feed-forward part of one layer: down(act(gate(n)) · up(n)) of the normed n."""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_worker.layers.linear import Projection, load_linear
from forge_worker.layers.norm import load_joining, load_norm
from forge_worker.ops.protocol import Array, Ops
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.names import layer_prefix


class GatedMlp:
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops, layer: int) -> None:
        own = f"{layer_prefix(layer)}mlp."
        down = (Projection(f"{own}down_proj", Sharding.INPUTS),)
        self.norm = load_norm(config, loader, layer, config.norms.before_mlp)
        self.gate_up_proj = load_linear(loader, _gate_up(config, own), config.has_mlp_bias)
        self.down_proj = load_linear(loader, down, config.has_mlp_bias)
        self.joining = load_joining(config, loader, layer, config.norms.after_mlp)
        self.activation = config.activation
        self.ops = ops

    def add_to(self, residual: Array) -> None:
        self.join(residual, self.gated(residual))

    def gated(self, residual: Array) -> Array:
        """What `join` then adds: [T, intermediate_size]."""
        return self.ops.norm_gated(residual, self.norm, self.gate_up_proj, self.activation)

    def join(self, residual: Array, gated: Array) -> None:
        self.ops.add_linear(residual, gated, self.down_proj, self.joining)


def _gate_up(config: ModelConfig, own: str) -> tuple[Projection, ...]:
    """Two tensors, or two parts of one."""
    if not config.has_fused_projections:
        return (
            Projection(f"{own}gate_proj", Sharding.OUTPUTS),
            Projection(f"{own}up_proj", Sharding.OUTPUTS),
        )
    inner, fused = config.intermediate_size, f"{own}gate_up_proj"
    return (
        Projection(fused, Sharding.OUTPUTS, slice(0, inner)),
        Projection(fused, Sharding.OUTPUTS, slice(inner, None)),
    )
