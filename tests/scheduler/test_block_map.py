"""The block map counts what is used and kept, and looks at a bounded number of blocks."""

from __future__ import annotations

from forge_scheduler.kv_cache.block_map import MAX_BLOCKS_SEEN, MAX_CELLS, block_map
from forge_scheduler.kv_cache.block_pool import BlockPool
from forge_scheduler.kv_cache.prefix_cache import PrefixCache


def take(pool: BlockPool, num_blocks: int) -> list[int]:
    return [pool.take() for _ in range(num_blocks)]


def cache_with(block_id: int) -> PrefixCache:
    cache = PrefixCache(block_size=2)
    hashes: list[bytes] = []
    cache.extend_hashes(hashes, [1, 2], 1)
    cache.insert(hashes, [1, 2], 0, block_id)
    return cache


def test_few_blocks_have_a_cell_each() -> None:
    pool = BlockPool(6)
    take(pool, 2)
    found = block_map(pool, None)
    assert (found.num_blocks, found.blocks_per_cell, found.blocks_seen) == (6, 1, 1)
    assert found.used == [1, 1, 0, 0, 0, 0]
    assert found.cached == [0] * 6


def test_kept_content_counts_only_while_nobody_owns_the_block() -> None:
    pool = BlockPool(3)
    cache = cache_with(take(pool, 1)[0])
    assert (block_map(pool, cache).used, block_map(pool, cache).cached) == ([1, 0, 0], [0, 0, 0])
    pool.release(0, is_worth_keeping=True)
    assert (block_map(pool, cache).used, block_map(pool, cache).cached) == ([0, 0, 0], [1, 0, 0])


def test_cells_of_several_blocks_count_them() -> None:
    pool = BlockPool(3 * MAX_CELLS - 1)
    take(pool, 4)
    found = block_map(pool, None)
    assert (found.blocks_per_cell, found.blocks_seen, len(found.used)) == (3, 3, MAX_CELLS)
    assert found.used[:3] == [3, 1, 0]


def test_a_large_memory_is_looked_at_in_part() -> None:
    pool = BlockPool(100 * MAX_CELLS)
    take(pool, 250)
    found = block_map(pool, None)
    assert len(found.used) == MAX_CELLS
    assert found.blocks_seen <= MAX_BLOCKS_SEEN
    assert found.used[:2] == [found.blocks_seen] * 2
    assert 0 < found.used[2] < found.blocks_seen
    assert sum(found.used[3:]) == 0
