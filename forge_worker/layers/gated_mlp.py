"""The gated feed-forward part of one layer: down(silu(gate(n)) · up(n)) of the normed n."""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_worker.layers.linear import Projection, load_linear
from forge_worker.ops.protocol import Array, Ops, RmsNorm
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.names import layer_prefix


class GatedMlp:
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops, layer: int) -> None:
        prefix = layer_prefix(layer)
        own = f"{prefix}mlp."
        gate_up = (
            Projection(f"{own}gate_proj", Sharding.OUTPUTS),
            Projection(f"{own}up_proj", Sharding.OUTPUTS),
        )
        down = (Projection(f"{own}down_proj", Sharding.INPUTS),)
        norm = loader.load(f"{prefix}post_attention_layernorm.weight")
        self.norm = RmsNorm(norm, config.rms_norm_eps)
        self.gate_up_proj = load_linear(loader, gate_up, config.has_mlp_bias)
        self.down_proj = load_linear(loader, down, config.has_mlp_bias)
        self.ops = ops

    def add_to(self, residual: Array) -> None:
        gated = self.ops.norm_gated(residual, self.norm, self.gate_up_proj)
        self.ops.add_linear(residual, gated, self.down_proj)
