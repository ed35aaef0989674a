"""KVCache: the memory of all blocks, one pair of arrays a layer.

"naive" caching is the same with blocks as long as a whole sequence may be, so a block is never
assumed small, nor valid to its end. How a block lies in memory is for the ops to say. Knows sizes,
not which block is whose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from forge_common.checkpoint import ModelConfig
from forge_worker.ops.protocol import KVLayer, Ops


class KVCache(NamedTuple):
    block_size: int
    layers: tuple[KVLayer, ...]


def allocate_kv_cache(config: ModelConfig, ops: Ops, num_blocks: int, block_size: int) -> KVCache:
    layers = (ops.kv_layer(num_blocks, block_size, config) for _ in range(config.num_layers))
    return KVCache(block_size, tuple(layers))


def scrub(kv_cache: KVCache, ops: Ops, block_ids: Sequence[int]) -> None:
    """Let nothing of these blocks that is not finite reach whoever owns them next."""
    for kv_layer in kv_cache.layers:
        ops.scrub(kv_layer, block_ids)
