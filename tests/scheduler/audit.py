"""Audit: what must hold of a scheduler between any two operations."""

from __future__ import annotations

from collections import Counter

from forge_scheduler.kv_cache.manager import KVCacheManager
from forge_scheduler.scheduler import Scheduler
from forge_scheduler.sequence import SequenceStatus


def audit(scheduler: Scheduler) -> None:
    audit_blocks(scheduler)
    audit_places(scheduler)
    audit_trials(scheduler)
    audit_prefix_cache(scheduler._kv_cache)


def audit_blocks(scheduler: Scheduler) -> None:
    """free + used = total, owners = tables that hold the block, no writable block is shared."""
    kv_cache = scheduler._kv_cache
    running = scheduler._admission.running
    owners = Counter(block_id for sequence in running for block_id in sequence.block_table)
    assert kv_cache.num_free_blocks + len(owners) == kv_cache.num_blocks
    for block_id in range(kv_cache.num_blocks):
        assert kv_cache._pool.num_owners(block_id) == owners[block_id]
        assert (block_id in kv_cache._pool._free) == (owners[block_id] == 0)
    for sequence in running:
        first_writable = sequence.num_computed_tokens // kv_cache.block_size
        assert all(owners[block_id] == 1 for block_id in sequence.block_table[first_writable:])
        assert len(sequence.block_table) * kv_cache.block_size >= sequence.num_computed_tokens
        assert sequence.num_committed_blocks <= first_writable


def audit_places(scheduler: Scheduler) -> None:
    """Every unfinished sequence waits, runs or is held back: exactly one of these."""
    places = [*scheduler._waiting, *scheduler._admission.running]
    for request in scheduler._reception.requests.values():
        assert not request.is_finished
        places += request.held
    unfinished = [
        sequence
        for request in scheduler._reception.requests.values()
        for sequence in request.sequences
        if not sequence.is_finished
    ]
    assert Counter(map(id, places)) == Counter(map(id, unfinished))
    for sequence in scheduler._waiting:
        assert sequence.status in (SequenceStatus.WAITING, SequenceStatus.PREEMPTED)
        assert sequence.block_table == []
    assert len(scheduler._admission.running) <= scheduler._limits.max_batch_size
    assert scheduler._waiting.num_tokens == sum(
        sequence.request.num_prompt_tokens for sequence in scheduler._waiting
    )


def audit_idle(scheduler: Scheduler) -> None:
    """Without a worker nothing runs, and nothing is awaited of one."""
    assert len(scheduler._admission.running) == 0
    assert scheduler._kv_cache.num_free_blocks == scheduler._kv_cache.num_blocks
    assert not scheduler._in_flight
    for sequence in scheduler._waiting:
        assert sequence.num_steps_in_flight == sequence.num_pending_tokens == 0
        assert sequence.num_computed_tokens == 0


def audit_trials(scheduler: Scheduler) -> None:
    """Of those that a worker was lost over, one runs at a time."""
    assert sum(sequence.is_on_trial for sequence in scheduler._admission.running) <= 1


def audit_prefix_cache(kv_cache: KVCacheManager) -> None:
    """The two directions of the index agree."""
    cache = kv_cache._prefix_cache
    if cache is not None:
        by_block = {cached.block_id: key for key, cached in cache._blocks.items()}
        assert by_block == cache._hashes
