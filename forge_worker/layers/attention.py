"""Self-attention of one layer: norm, project, rotate, remember, attend, project back.

Biases, norms, rotation and the sliding window are the config's. Knows no device and no file.
"""

from __future__ import annotations

from forge_common.checkpoint import ModelConfig
from forge_worker.layers.linear import Projection, load_linear
from forge_worker.layers.norm import load_joining, load_norm
from forge_worker.ops.protocol import Array, HeadNorms, KVLayer, Ops, Step
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.head_order import Order, head_order
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.names import layer_prefix


class Attention:
    def __init__(self, config: ModelConfig, loader: WeightLoader, ops: Ops, layer: int) -> None:
        own = f"{layer_prefix(layer)}self_attn."
        output = (Projection(f"{own}o_proj", Sharding.INPUTS),)
        self.rope = config.ropes[layer]
        order = head_order(config.head_dim, self.rope.num_dims, config.turns_neighbours)
        self.norm = load_norm(config, loader, layer, config.norms.before_attention)
        self.qkv_proj = load_linear(loader, _qkv(config, own, order), config.has_qkv_bias)
        self.o_proj = load_linear(loader, output, config.has_attention_output_bias)
        self.joining = load_joining(config, loader, layer, config.norms.after_attention)
        self.head_norms = _load_head_norms(config, loader, own, order)
        self.window = config.sliding_windows[layer]
        self.ops = ops

    def add_to(self, residual: Array, step: Step, kv_layer: KVLayer) -> None:
        self.join(residual, self.attended(residual, step, kv_layer))

    def attended(self, residual: Array, step: Step, kv_layer: KVLayer) -> Array:
        """What `join` then adds: [T, num_heads · head_dim]."""
        qkv = self.ops.norm_linear(residual, self.norm, self.qkv_proj)
        query = self.ops.rotate_and_store(qkv, self.head_norms, self.rope, step, kv_layer)
        return self.ops.attention(query, step, kv_layer, self.window)

    def join(self, residual: Array, attended: Array) -> None:
        self.ops.add_linear(residual, attended, self.o_proj, self.joining)


def _qkv(config: ModelConfig, own: str, order: Order | None) -> tuple[Projection, ...]:
    """Three tensors, or three parts of one."""
    if not config.has_fused_projections:
        return (
            Projection(f"{own}q_proj", Sharding.OUTPUTS, order=order),
            Projection(f"{own}k_proj", Sharding.KV_HEADS, order=order),
            Projection(f"{own}v_proj", Sharding.KV_HEADS),
        )
    first_key = config.num_heads * config.head_dim
    first_value = first_key + config.num_kv_heads * config.head_dim
    fused = f"{own}qkv_proj"
    return (
        Projection(fused, Sharding.OUTPUTS, slice(0, first_key), order),
        Projection(fused, Sharding.KV_HEADS, slice(first_key, first_value), order),
        Projection(fused, Sharding.KV_HEADS, slice(first_value, None)),
    )


def _load_head_norms(
    config: ModelConfig, loader: WeightLoader, own: str, order: Order | None
) -> HeadNorms | None:
    if config.qk_norm is None:
        return None
    query, key = (loader.load_norm(f"{own}{name}_norm.weight", order) for name in ("q", "k"))
    return HeadNorms(query, key, config.rms_norm_eps)
