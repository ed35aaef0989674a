"""KVCache: the memory of all blocks, one pair of arrays a layer.

    keys, values   [num_blocks, block_size, num_kv_heads, head_dim] each

"naive" caching is the same with blocks as long as a whole sequence may be, so a block is never
assumed small, nor valid to its end. Knows sizes, not which block is whose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint import ModelConfig
from forge_worker.ops.protocol import KVLayer, Ops


class KVCache(NamedTuple):
    block_size: int
    layers: tuple[KVLayer, ...]


def allocate_kv_cache(config: ModelConfig, ops: Ops, num_blocks: int, block_size: int) -> KVCache:
    shape = (num_blocks, block_size, config.num_kv_heads, config.head_dim)
    layers = (KVLayer(ops.zeros(shape), ops.zeros(shape)) for _ in range(config.num_layers))
    return KVCache(block_size, tuple(layers))


def scrub(kv_cache: KVCache, block_ids: Sequence[int]) -> None:
    """Make what is not finite 0: attention weighs what it must not see with 0, and 0 · NaN is NaN.

    Finite numbers stay, since other sequences may share them.
    """
    ids = list(block_ids)
    for array in (array for layer in kv_cache.layers for array in layer):
        array[ids] = np.where(np.isfinite(array[ids]), array[ids], 0)
