"""The feed-forward part of a layer that has many of them, of which each token takes a few.

    y = Σ p_e · down_e(act(gate_e(n)) · up_e(n))  over the experts e that the router likes best

(Shazeer et al. 2017; Mixtral, Jiang et al. 2024.) Knows no device and no file.
"""

from __future__ import annotations

from forge_common.checkpoint import Experts, ModelConfig
from forge_worker.layers.linear import Projection, load_linear
from forge_worker.layers.norm import load_joining, load_norm
from forge_worker.ops.protocol import Array, Expert, ExpertChoice, Ops
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.names import layer_prefix


class ExpertMlp:
    def __init__(
        self, config: ModelConfig, experts: Experts, loader: WeightLoader, ops: Ops, layer: int
    ) -> None:
        own = f"{layer_prefix(layer)}{experts.names.prefix}."
        router = loader.load_router(f"{own}{experts.names.router}.weight")
        self.norm = load_norm(config, loader, layer, config.norms.before_mlp)
        self.choice = ExpertChoice(router, experts.num_chosen, experts.is_renormalised)
        self.experts = tuple(
            _load_expert(experts, loader, f"{own}experts.{expert}.")
            for expert in range(experts.num_experts)
        )
        self.joining = load_joining(config, loader, layer, config.norms.after_mlp)
        self.activation = config.activation
        self.ops = ops

    def add_to(self, residual: Array) -> None:
        mixed = self.ops.norm_experts(
            residual, self.norm, self.choice, self.experts, self.activation
        )
        self.ops.add(residual, mixed, self.joining)


def _load_expert(experts: Experts, loader: WeightLoader, own: str) -> Expert:
    names = experts.names
    gate_up = tuple(Projection(f"{own}{n}", Sharding.OUTPUTS) for n in (names.gate, names.up))
    down = (Projection(f"{own}{names.down}", Sharding.INPUTS),)
    return Expert(load_linear(loader, gate_up, False), load_linear(loader, down, False))
