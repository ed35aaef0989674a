"""The block map: which parts of the KV memory are used, and which keep something of use.

A large memory is shown in cells of many blocks, of which only some are looked at, so that looking
costs the same however large it is. Knows nothing of whose a block is, nor of how a map is drawn.
"""

from __future__ import annotations

from forge_common.protocol.api_scheduler import BlockMap
from forge_scheduler.kv_cache.block_pool import BlockPool
from forge_scheduler.kv_cache.prefix_cache import PrefixCache

MAX_CELLS = 1024
MAX_BLOCKS_SEEN = 16  # of a cell


def block_map(pool: BlockPool, prefix_cache: PrefixCache | None) -> BlockMap:
    num_blocks = pool.num_blocks
    per_cell = -(-num_blocks // MAX_CELLS)
    stride = -(-per_cell // MAX_BLOCKS_SEEN)
    cells = [
        range(first, min(first + per_cell, num_blocks), stride)
        for first in range(0, num_blocks, per_cell)
    ]
    free = [pool.free_among(cell) for cell in cells]
    return BlockMap(
        num_blocks=num_blocks,
        blocks_per_cell=per_cell,
        blocks_seen=len(cells[0]),
        used=[len(cell) - len(ids) for cell, ids in zip(cells, free, strict=True)],
        cached=[0 if prefix_cache is None else prefix_cache.num_among(ids) for ids in free],
    )


def empty_block_map() -> BlockMap:
    """That of a scheduler that has had no worker yet."""
    return BlockMap(0, 1, 1, [], [])
