"""The gated feed-forward part of one layer: down(silu(gate(x)) · up(x)) (Shazeer 2020)."""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_worker.layers.linear import load_linear
from forge_worker.ops.protocol import Array, Ops
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.names import layer_prefix


class GatedMlp:
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops, layer: int) -> None:
        prefix = layer_prefix(layer) + "mlp."
        gate_up = (f"{prefix}gate_proj", f"{prefix}up_proj")
        self.gate_up_proj = load_linear(loader, ops, gate_up, config.has_mlp_bias)
        self.down_proj = load_linear(loader, ops, (f"{prefix}down_proj",), config.has_mlp_bias)
        self.ops = ops

    def forward(self, x: Array) -> Array:
        gate_up = self.ops.linear(x, self.gate_up_proj)
        return self.ops.linear(self.ops.silu_mul(gate_up), self.down_proj)
