"""Cohere 2 (Command R7B): both parts of a layer read what came into it, under one layer norm.

    x = embed(tokens);  for each layer:  n = norm(x);  x += attention(n) + mlp(n);  head(norm(x))

A layer norm without bias is the RMS norm of x without its mean. Nothing reads x but norms, so that
its mean is taken away where it would be read. Composition only: knows no device and no arithmetic.
"""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_worker.layers.attention import Attention
from forge_worker.layers.gated_mlp import GatedMlp
from forge_worker.models.llama import LlamaForCausalLM
from forge_worker.ops.protocol import Array, KVLayer, Ops, Step
from forge_worker.weights.loader import WeightLoader


class ParallelLayer:
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops, layer: int) -> None:
        self.self_attn = Attention(config, loader, ops, layer)
        self.mlp = GatedMlp(config, loader, ops, layer)
        self.mlp.norm = self.self_attn.norm
        self.ops = ops

    def add_to(self, residual: Array, step: Step, kv_layer: KVLayer) -> None:
        self.ops.centre(residual)
        attended = self.self_attn.attended(residual, step, kv_layer)
        gated = self.mlp.gated(residual)
        self.self_attn.join(residual, attended)
        self.mlp.join(residual, gated)


class Cohere2ForCausalLM(LlamaForCausalLM):
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops) -> None:
        super().__init__(config, loader, ops, ParallelLayer)

    def final(self, residual: Array, step: Step) -> Array:
        self.ops.centre(residual)
        return super().final(residual, step)
