"""Llama, and every decoder that differs from it only in what ModelConfig states.

    x = embed(tokens);  for each layer:  x += attention(norm(x));  x += mlp(norm(x));  head(norm(x))

The residual is added inside the next norm. Composition only: knows no device and no arithmetic.
"""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_worker.forward_inputs import FloatArray, ForwardInputs
from forge_worker.kv_cache import KVCache
from forge_worker.layers.attention import Attention
from forge_worker.layers.gated_mlp import GatedMlp
from forge_worker.ops.protocol import Array, KVLayer, Ops, Step
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.names import EMBEDDING, FINAL_NORM, LM_HEAD, layer_prefix


class DecoderLayer:
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops, layer: int) -> None:
        prefix = layer_prefix(layer)
        self.input_layernorm = ops.place(loader.load(f"{prefix}input_layernorm.weight"))
        self.self_attn = Attention(config, loader, ops, layer)
        self.post_attention_layernorm = ops.place(
            loader.load(f"{prefix}post_attention_layernorm.weight")
        )
        self.mlp = GatedMlp(config, loader, ops, layer)
        self.eps = config.rms_norm_eps
        self.ops = ops

    def forward(self, x: Array | None, residual: Array, step: Step, kv_layer: KVLayer) -> Array:
        """`x` is what the layer before leaves to add to `residual`, which is overwritten."""
        normed = self.ops.add_rms_norm(x, residual, self.input_layernorm, self.eps)
        x = self.self_attn.forward(normed, step, kv_layer)
        normed = self.ops.add_rms_norm(x, residual, self.post_attention_layernorm, self.eps)
        return self.mlp.forward(normed)


class LlamaForCausalLM:
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops) -> None:
        self.config = config
        self.ops = ops
        self.embed_tokens = ops.place(loader.load(EMBEDDING))
        self.layers = [
            DecoderLayer(config, loader, ops, layer) for layer in range(config.num_layers)
        ]
        self.norm = ops.place(loader.load(FINAL_NORM))
        is_tied = config.tie_word_embeddings
        self.lm_head = self.embed_tokens if is_tied else ops.place(loader.load(LM_HEAD))

    def forward(self, inputs: ForwardInputs, kv_cache: KVCache) -> FloatArray:
        """Logits of `inputs.logit_rows`: [num_logits, vocab_size]."""
        return self.logits(self.hidden(inputs, kv_cache))

    def hidden(self, inputs: ForwardInputs, kv_cache: KVCache) -> Array:
        """Final normed states of `inputs.logit_rows`: [num_logits, hidden_size]."""
        step = self.ops.begin_step(inputs, self.config, kv_cache.block_size)
        residual = self.ops.embed(self.embed_tokens, step)
        x = None
        for layer, kv_layer in zip(self.layers, kv_cache.layers, strict=True):
            x = layer.forward(x, residual, step, kv_layer)
        return self._final_norm(x, residual, step)

    def logits(self, hidden: Array) -> FloatArray:
        """Of some rows of `hidden`: [num_rows, vocab_size]."""
        return self.ops.logits(hidden, self.lm_head)

    def _final_norm(self, x: Array, residual: Array, step: Step) -> Array:
        rows = self.ops.logit_rows(x, step)
        residual_rows = self.ops.logit_rows(residual, step)
        return self.ops.add_rms_norm(rows, residual_rows, self.norm, self.config.rms_norm_eps)
