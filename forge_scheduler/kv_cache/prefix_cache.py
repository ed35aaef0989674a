"""PrefixCache: finds the block that already holds the KV of a run of tokens.

A full block is known by a hash chained over all blocks before it, so equal hashes mean equal
prefixes. The hash is keyed with a random key of this process, and a hit compares the token ids as
well: nobody can craft a prompt that meets another one's blocks. Knows nothing of who owns a block
or whether it is free.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

HASH_BYTES = 16
NO_PARENT = bytes(HASH_BYTES)


class CachedBlock(NamedTuple):
    """A block that may be shared; `content` is its token ids, four bytes each."""

    block_id: int
    parent_hash: bytes
    content: bytes


class PrefixCache:
    """block hash → block; `forget` a block before its content is overwritten."""

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size
        self._key = secrets.token_bytes(32)
        self._blocks: dict[bytes, CachedBlock] = {}
        self._hashes: dict[int, bytes] = {}

    def __contains__(self, block_id: int) -> bool:
        return block_id in self._hashes

    def num_among(self, block_ids: Iterable[int]) -> int:
        """How many of these hold something that could be shared."""
        return sum(map(self._hashes.__contains__, block_ids))

    def extend_hashes(self, hashes: list[bytes], token_ids: list[int], num_blocks: int) -> None:
        """Append to `hashes` what they lack of the first `num_blocks` blocks, all of them full."""
        for index in range(len(hashes), num_blocks):
            chained = _parent(hashes, index) + self._content(token_ids, index)
            hashes.append(blake2b(chained, key=self._key, digest_size=HASH_BYTES).digest())

    def match(self, hashes: list[bytes], token_ids: list[int], max_blocks: int) -> list[int]:
        """Ids of the longest run of cached blocks from the start, at most `max_blocks`."""
        block_ids: list[int] = []
        for index in range(max_blocks):
            cached = self._blocks.get(hashes[index])
            if cached is None or cached != self._cached(hashes, token_ids, index, cached.block_id):
                break
            block_ids.append(cached.block_id)
        return block_ids

    def insert(self, hashes: list[bytes], token_ids: list[int], index: int, block_id: int) -> None:
        """Remember that `block_id` holds the sequence's block `index`, unless another one does."""
        if hashes[index] not in self._blocks:
            self._blocks[hashes[index]] = self._cached(hashes, token_ids, index, block_id)
            self._hashes[block_id] = hashes[index]

    def forget(self, block_id: int) -> None:
        block_hash = self._hashes.pop(block_id, None)
        if block_hash is not None:
            del self._blocks[block_hash]

    def _cached(
        self, hashes: list[bytes], token_ids: list[int], index: int, block_id: int
    ) -> CachedBlock:
        return CachedBlock(block_id, _parent(hashes, index), self._content(token_ids, index))

    def _content(self, token_ids: list[int], index: int) -> bytes:
        start = index * self._block_size
        return array("i", token_ids[start : start + self._block_size]).tobytes()


def _parent(hashes: list[bytes], index: int) -> bytes:
    return hashes[index - 1] if index else NO_PARENT
