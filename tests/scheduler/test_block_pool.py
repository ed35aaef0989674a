from __future__ import annotations

from forge_scheduler.kv_cache.block_pool import BlockPool


def test_taken_blocks_are_distinct_and_not_free() -> None:
    pool = BlockPool(4)
    assert len({pool.take() for _ in range(4)}) == 4
    assert pool.num_free_blocks == 0


def test_block_is_free_when_its_last_owner_leaves() -> None:
    pool = BlockPool(1)
    block_id = pool.take()
    pool.share(block_id)
    pool.release(block_id, is_worth_keeping=True)
    assert pool.num_free_blocks == 0
    pool.release(block_id, is_worth_keeping=True)
    assert pool.num_free_blocks == 1


def test_free_block_that_is_shared_again_is_not_free() -> None:
    pool = BlockPool(2)
    block_id = pool.take()
    pool.release(block_id, is_worth_keeping=True)
    pool.share(block_id)
    assert pool.num_owners(block_id) == 1
    assert pool.take() != block_id


def test_block_released_longest_ago_is_taken_first() -> None:
    pool = BlockPool(3)
    taken = [pool.take() for _ in range(3)]
    for block_id in (taken[1], taken[2], taken[0]):
        pool.release(block_id, is_worth_keeping=True)
    assert [pool.take() for _ in range(3)] == [taken[1], taken[2], taken[0]]


def test_block_not_worth_keeping_is_taken_before_all_others() -> None:
    pool = BlockPool(2)
    kept, spare = pool.take(), pool.take()
    pool.release(kept, is_worth_keeping=True)
    pool.release(spare, is_worth_keeping=False)
    assert pool.take() == spare
