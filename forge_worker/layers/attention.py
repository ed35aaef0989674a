"""Self-attention of one layer: norm, project, rotate, remember, attend, project back.

Biases, head norms and the sliding window are the config's. Knows no device and no file.
"""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_worker.layers.linear import Projection, load_linear
from forge_worker.ops.protocol import Array, HeadNorms, KVLayer, Ops, RmsNorm, Step
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.names import layer_prefix


class Attention:
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops, layer: int) -> None:
        prefix = layer_prefix(layer)
        own = f"{prefix}self_attn."
        qkv = (
            Projection(f"{own}q_proj", Sharding.OUTPUTS),
            Projection(f"{own}k_proj", Sharding.KV_HEADS),
            Projection(f"{own}v_proj", Sharding.KV_HEADS),
        )
        output = (Projection(f"{own}o_proj", Sharding.INPUTS),)
        self.norm = RmsNorm(loader.load(f"{prefix}input_layernorm.weight"), config.rms_norm_eps)
        self.qkv_proj = load_linear(loader, qkv, config.has_qkv_bias)
        self.o_proj = load_linear(loader, output, config.has_attention_output_bias)
        self.head_norms = _load_head_norms(config, loader, own)
        self.window = config.sliding_windows[layer]
        self.ops = ops

    def add_to(self, residual: Array, step: Step, kv_layer: KVLayer) -> None:
        qkv = self.ops.norm_linear(residual, self.norm, self.qkv_proj)
        query = self.ops.rotate_and_store(qkv, self.head_norms, step, kv_layer)
        attended = self.ops.attention(query, step, kv_layer, self.window)
        self.ops.add_linear(residual, attended, self.o_proj)


def _load_head_norms(config: ModelConfig, loader: WeightLoader, own: str) -> HeadNorms | None:
    if not config.has_qk_norm:
        return None
    query, key = loader.load(f"{own}q_norm.weight"), loader.load(f"{own}k_norm.weight")
    return HeadNorms(query, key, config.rms_norm_eps)
