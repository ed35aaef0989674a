"""Llama, and every decoder that differs from it only in what ModelConfig states.

    x = embed(tokens);  for each layer:  x += attention(norm(x));  x += mlp(norm(x));  head(norm(x))

Composition only: knows no device and no arithmetic.
"""

from __future__ import annotations

from typing import Protocol

from forge_common.checkpoint import ModelConfig
from forge_worker.kv_cache import KVCache
from forge_worker.layers.attention import Attention
from forge_worker.layers.expert_mlp import ExpertMlp
from forge_worker.layers.gated_mlp import GatedMlp
from forge_worker.ops.protocol import Array, KVLayer, Ops, RmsNorm, Step
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.names import EMBEDDING, FINAL_NORM, LM_HEAD


class DecoderLayer:
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops, layer: int) -> None:
        experts = config.experts_of(layer)
        self.self_attn = Attention(config, loader, ops, layer)
        self.mlp: GatedMlp | ExpertMlp = (
            GatedMlp(config, loader, ops, layer)
            if experts is None
            else ExpertMlp(config, experts, loader, ops, layer)
        )

    def add_to(self, residual: Array, step: Step, kv_layer: KVLayer) -> None:
        self.self_attn.add_to(residual, step, kv_layer)
        self.mlp.add_to(residual)


class Layer(Protocol):
    def add_to(self, residual: Array, step: Step, kv_layer: KVLayer) -> None: ...


class MakeLayer(Protocol):
    def __call__(
        self, config: ModelConfig, loader: WeightLoader, ops: Ops, layer: int
    ) -> Layer: ...


class LlamaForCausalLM:
    """`config` is that of the part which `loader` loads: all of the model, or one rank's."""

    def __init__(
        self,
        config: ModelConfig,
        loader: WeightLoader,
        ops: Ops,
        make_layer: MakeLayer = DecoderLayer,
    ) -> None:
        self.config = config
        self.ops = ops
        self.embed_tokens = loader.load(EMBEDDING)
        self.layers = [make_layer(config, loader, ops, n) for n in range(config.num_layers)]
        final_norm = loader.load_norm(FINAL_NORM, scale=config.logit_scale)
        self.norm = RmsNorm(final_norm, config.rms_norm_eps)
        self.lm_head = (
            loader.own_rows(self.embed_tokens)
            if config.tie_word_embeddings
            else loader.load(LM_HEAD, Sharding.OUTPUTS)
        )

    def hidden(self, step: Step, kv_cache: KVCache) -> Array:
        """Final normed states of the rows whose logits are wanted: [num_logits, hidden_size]."""
        residual = self.ops.embed(self.embed_tokens, step)
        for layer, kv_layer in zip(self.layers, kv_cache.layers, strict=True):
            layer.add_to(residual, step, kv_layer)
        return self.final(residual, step)

    def final(self, residual: Array, step: Step) -> Array:
        """What `hidden` returns, of the states behind the last layer."""
        return self.ops.final_norm(residual, self.norm, step)

    def logits(self, hidden: Array) -> Array:
        """Of some rows of `hidden`: [num_rows, vocab_size]."""
        return self.ops.logits(hidden, self.lm_head, self.config.logit_softcap)
