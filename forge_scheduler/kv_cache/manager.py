"""KVCacheManager: the only face of the KV cache the scheduler sees.

Sequences own blocks through their block tables, which only ever grow until they are released as a
whole. A block enters the prefix cache when the step that filled it has been answered, so it never
holds a token that was not confirmed. A block may be released while a step in flight still writes
it: the worker executes in order, hence before anyone who takes it next.

The naive cache is this one with blocks of the whole context and no prefix cache. Knows nothing of
budgets, priorities or requests' policies.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_common.protocol.api_scheduler import BlockMap
from forge_scheduler.kv_cache.block_map import block_map
from forge_scheduler.kv_cache.block_pool import BlockPool
from forge_scheduler.kv_cache.prefix_cache import PrefixCache
from forge_scheduler.sequence import Sequence


class PrefixMatch(NamedTuple):
    """Cached blocks a sequence could begin with; safe until the next `start` or `grow`."""

    block_ids: list[int]
    num_tokens: int


class KVCacheManager:
    """match, start, grow, commit, release: the life of a sequence's blocks."""

    def __init__(self, num_blocks: int, block_size: int, *, has_prefix_cache: bool = True) -> None:
        self.has_prefix_cache = has_prefix_cache
        self.reset(num_blocks, block_size)

    def reset(self, num_blocks: int, block_size: int) -> None:
        """Begin again with a memory that holds nothing. No sequence may own a block, nor hashes."""
        self.block_size = block_size
        self._pool = BlockPool(num_blocks)
        self._prefix_cache = PrefixCache(block_size) if self.has_prefix_cache else None

    @property
    def num_blocks(self) -> int:
        return self._pool.num_blocks

    @property
    def num_free_blocks(self) -> int:
        return self._pool.num_free_blocks

    def block_map(self) -> BlockMap:
        return block_map(self._pool, self._prefix_cache)

    def num_blocks_for(self, num_tokens: int) -> int:
        return -(-num_tokens // self.block_size)

    def can_share_prompt(self, sequence: Sequence) -> bool:
        """Whether a sequence with the same prompt could begin with blocks of this one."""
        return self._num_shareable_blocks(sequence, sequence.request.num_prompt_tokens) > 0

    def may_grow(self, sequence: Sequence) -> bool:
        """Whether it may need another block before it ends."""
        return len(sequence.block_table) * self.block_size < sequence.request.max_num_tokens - 1

    def match(self, sequence: Sequence) -> PrefixMatch:
        """The longest cached prefix that leaves a token to run. Takes nothing."""
        num_blocks = self._num_shareable_blocks(sequence, len(sequence.token_ids))
        if self._prefix_cache is None or num_blocks == 0:
            return PrefixMatch([], 0)
        self._prefix_cache.extend_hashes(sequence.block_hashes, sequence.token_ids, num_blocks)
        block_ids = self._prefix_cache.match(sequence.block_hashes, sequence.token_ids, num_blocks)
        return PrefixMatch(block_ids, len(block_ids) * self.block_size)

    def can_start(self, sequence: Sequence, match: PrefixMatch, num_spare_blocks: int) -> bool:
        """Whether all its tokens find a place that leaves `num_spare_blocks` free."""
        num_new = self.num_blocks_for(sequence.num_tokens) - len(match.block_ids)
        num_revived = sum(self._pool.num_owners(block_id) == 0 for block_id in match.block_ids)
        return num_new + num_revived + num_spare_blocks <= self._pool.num_free_blocks

    def start(self, sequence: Sequence, match: PrefixMatch) -> list[int]:
        """Give a sequence the matched blocks and new ones for the rest; needs `can_start`."""
        for block_id in match.block_ids:
            self._pool.share(block_id)
        sequence.block_table = list(match.block_ids)
        sequence.num_committed_blocks = len(match.block_ids)
        sequence.num_computed_tokens = match.num_tokens
        self._take(sequence, self.num_blocks_for(sequence.num_tokens) - len(match.block_ids))
        return list(sequence.block_table)

    def grow(self, sequence: Sequence, num_tokens: int) -> list[int] | None:
        """Blocks added so that `num_tokens` have a place, or None when too few are free."""
        num_missing = self.num_blocks_for(num_tokens) - len(sequence.block_table)
        if num_missing <= 0:
            return []
        if num_missing > self._pool.num_free_blocks:
            return None
        return self._take(sequence, num_missing)

    def num_free_places(self, sequence: Sequence, num_kept_blocks: int) -> int:
        """How many tokens beyond its computed ones it could hold, with so many blocks left free."""
        num_blocks = max(self._pool.num_free_blocks - num_kept_blocks, 0)
        num_places = (len(sequence.block_table) + num_blocks) * self.block_size
        return num_places - sequence.num_computed_tokens

    def commit(self, sequence: Sequence, num_computed_tokens: int) -> None:
        """Offer the blocks that its first `num_computed_tokens` tokens fill to other sequences."""
        num_full = num_computed_tokens // self.block_size
        if num_full <= sequence.num_committed_blocks or self._prefix_cache is None:
            return
        hashes, token_ids = sequence.block_hashes, sequence.token_ids
        self._prefix_cache.extend_hashes(hashes, token_ids, num_full)
        for index in range(sequence.num_committed_blocks, num_full):
            self._prefix_cache.insert(hashes, token_ids, index, sequence.block_table[index])
        sequence.num_committed_blocks = num_full

    def release(self, sequence: Sequence) -> None:
        """Take all its blocks back; the tail will be reused before the head."""
        for block_id in reversed(sequence.block_table):
            is_cached = self._prefix_cache is not None and block_id in self._prefix_cache
            self._pool.release(block_id, is_worth_keeping=is_cached)
        sequence.forget_computation()

    def _take(self, sequence: Sequence, num_blocks: int) -> list[int]:
        block_ids = [self._pool.take() for _ in range(num_blocks)]
        if self._prefix_cache is not None:
            for block_id in block_ids:
                self._prefix_cache.forget(block_id)
        sequence.block_table += block_ids
        return block_ids

    def _num_shareable_blocks(self, sequence: Sequence, num_tokens: int) -> int:
        """Full blocks before the last token. Logprobs of a prompt need all of it to run."""
        if self._prefix_cache is None or sequence.request.sampling.num_prompt_logprobs is not None:
            return 0
        return (num_tokens - 1) // self.block_size
