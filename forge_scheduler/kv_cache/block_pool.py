"""BlockPool: which KV blocks are free, how many own each of the others, and which to reuse next.

Every operation is O(1). A released block keeps its content until it is taken again; blocks are
taken in the order they were released, those without anything worth keeping first. Knows nothing of
tokens, hashes or sequences.
"""

from __future__ import annotations

from collections import OrderedDict


class BlockPool:
    """Ids 0 to `num_blocks` - 1: each is free, or owned by `num_owners` > 0 block tables."""

    def __init__(self, num_blocks: int) -> None:
        self.num_blocks = num_blocks
        self._num_owners = [0] * num_blocks
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(num_blocks))

    @property
    def num_free_blocks(self) -> int:
        return len(self._free)

    def num_owners(self, block_id: int) -> int:
        return self._num_owners[block_id]

    def free_among(self, block_ids: range) -> list[int]:
        owners = self._num_owners[block_ids.start : block_ids.stop : block_ids.step]
        return [block_id for block_id, num in zip(block_ids, owners, strict=True) if num == 0]

    def take(self) -> int:
        """The free block released longest ago, now owned once. Needs a free block."""
        block_id, _ = self._free.popitem(last=False)
        self._num_owners[block_id] = 1
        return block_id

    def share(self, block_id: int) -> None:
        """One owner more; a free block comes back to use with its content."""
        if self._num_owners[block_id] == 0:
            del self._free[block_id]
        self._num_owners[block_id] += 1

    def release(self, block_id: int, *, is_worth_keeping: bool) -> None:
        """One owner less; without any, the block is free."""
        self._num_owners[block_id] -= 1
        if self._num_owners[block_id] == 0:
            self._free[block_id] = None
            if not is_worth_keeping:
                self._free.move_to_end(block_id, last=False)
