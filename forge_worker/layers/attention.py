"""Self-attention of one layer: project, rotate, remember, attend, project back.

Biases, head norms and the sliding window are the config's. Knows no device and no file.
"""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_worker.layers.linear import load_linear
from forge_worker.ops.protocol import Array, HeadNorms, KVLayer, Ops, Step
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.names import layer_prefix


class Attention:
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops, layer: int) -> None:
        prefix = layer_prefix(layer) + "self_attn."
        qkv = (f"{prefix}q_proj", f"{prefix}k_proj", f"{prefix}v_proj")
        self.qkv_proj = load_linear(loader, ops, qkv, config.has_qkv_bias)
        self.o_proj = load_linear(
            loader, ops, (f"{prefix}o_proj",), config.has_attention_output_bias
        )
        self.head_norms = _load_head_norms(config, loader, ops, prefix)
        self.window = config.sliding_windows[layer]
        self.ops = ops

    def forward(self, x: Array, step: Step, kv_layer: KVLayer) -> Array:
        qkv = self.ops.linear(x, self.qkv_proj)
        query = self.ops.rotate_and_store(qkv, self.head_norms, step, kv_layer)
        attended = self.ops.attention(query, step, kv_layer, self.window)
        return self.ops.linear(attended, self.o_proj)


def _load_head_norms(
    config: ModelConfig, loader: WeightLoader, ops: Ops, prefix: str
) -> HeadNorms | None:
    if not config.has_qk_norm:
        return None
    query = ops.place(loader.load(f"{prefix}q_norm.weight"))
    key = ops.place(loader.load(f"{prefix}k_norm.weight"))
    return HeadNorms(query, key, config.rms_norm_eps)
