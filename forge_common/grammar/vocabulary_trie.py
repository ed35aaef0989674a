"""A trie of byte strings whose nodes are numbered breadth first, so that children are neighbours.

    node            0 (root)   1    2   3    4  ...      first_child[n] to first_child[n + 1] - 1
    byte on its way     -      a    b   c    a           are the children of n, by rising byte
    token that ends    -1      5   -1   9    7           here; -1 where none does

Built level by level from the sorted tokens: a node is where a token differs from the one before.
Knows no grammars.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
NO_TOKEN = -1
ROOT = 0


class Twins(NamedTuple):
    """Tokens with the bytes of another one; the trie has that one."""

    ids: Ids
    first_ids: Ids


class Level(NamedTuple):
    first: int
    end: int


class _Sorted(NamedTuple):
    ids: NDArray[np.int64]
    bytes: NDArray[np.uint8]  # [num_tokens, longest], zeros behind the end
    lengths: NDArray[np.int64]
    num_shared: NDArray[np.int64]  # bytes in common with the one before


class VocabularyTrie:
    def __init__(self, tokens: Sequence[bytes]) -> None:
        in_order = _sort(tokens)
        self.levels: list[Level] = []
        bytes_, parents, tokens_at = self._grow(in_order)
        self.num_nodes = len(bytes_)
        self.bytes_by_node = bytes_
        self.token_at = tokens_at
        self.parent = parents
        num_children = np.bincount(parents[1:], minlength=self.num_nodes)
        self.first_child = np.concatenate(([1], 1 + np.cumsum(num_children))).astype(np.int32)
        self.token_nodes = np.flatnonzero(tokens_at != NO_TOKEN).astype(np.int32)
        self.inner_nodes = np.flatnonzero(num_children).astype(np.int32)
        self.twins = self._find_twins(tokens, in_order)
        self.byte_string = bytes_.tobytes()
        self.first_child_list: list[int] = self.first_child.tolist()
        self.token_list: list[int] = tokens_at.tolist()

    def child(self, node: int, byte: int) -> int:
        """ROOT, which is nobody's child, where there is none."""
        first, end = self.first_child_list[node], self.first_child_list[node + 1]
        return max(self.byte_string.find(byte, first, end), ROOT)

    def has_children(self, node: int) -> bool:
        return self.first_child_list[node] < self.first_child_list[node + 1]

    def children(self, nodes: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """All children of all `nodes`, and for each the place of its parent in `nodes`."""
        firsts = self.first_child[nodes]
        counts = self.first_child[nodes + 1] - firsts
        ends = np.cumsum(counts)
        places = np.repeat(np.arange(len(nodes), dtype=np.int32), counts)
        children = np.repeat((firsts - (ends - counts)).astype(np.int32), counts)
        children += np.arange(len(places), dtype=np.int32)
        return children, places

    def _grow(self, tokens: _Sorted) -> tuple[NDArray[np.uint8], Ids, Ids]:
        bytes_ = [np.zeros(1, np.uint8)]
        parents = [np.zeros(1, np.int64)]
        tokens_at = [np.full(1, NO_TOKEN, np.int64)]
        above, above_base, base = np.zeros(1, np.int64), 0, 1
        for depth in range(1, tokens.bytes.shape[1] + 1):
            new = np.flatnonzero((tokens.num_shared < depth) & (tokens.lengths >= depth))
            bytes_.append(tokens.bytes[new, depth - 1])
            parents.append(above_base + np.searchsorted(above, new, "right") - 1)
            tokens_at.append(np.where(tokens.lengths[new] == depth, tokens.ids[new], NO_TOKEN))
            self.levels.append(Level(base, base + len(new)))
            above, above_base, base = new, base, base + len(new)
        joined = (np.concatenate(parents), np.concatenate(tokens_at))
        return np.concatenate(bytes_), joined[0].astype(np.int32), joined[1].astype(np.int32)

    def _find_twins(self, tokens: Sequence[bytes], in_order: _Sorted) -> Twins:
        ids = in_order.ids[in_order.num_shared == in_order.lengths]
        first_ids = [self._token_of(tokens[token_id]) for token_id in ids]
        return Twins(ids.astype(np.int32), np.array(first_ids, np.int32))

    def _token_of(self, token: bytes) -> int:
        node = ROOT
        for byte in token:
            first, end = self.first_child[node], self.first_child[node + 1]
            node = int(first + np.searchsorted(self.bytes_by_node[first:end], byte))
        return int(self.token_at[node])


def _sort(tokens: Sequence[bytes]) -> _Sorted:
    ids = sorted((i for i, token in enumerate(tokens) if token), key=tokens.__getitem__)
    lengths = np.array([len(tokens[token_id]) for token_id in ids], np.int64)
    longest = int(lengths.max(initial=0))
    padded = b"".join([tokens[token_id].ljust(longest, b"\0") for token_id in ids])
    bytes_ = np.frombuffer(padded, np.uint8).reshape(len(ids), longest)
    return _Sorted(np.array(ids, np.int64), bytes_, lengths, _count_shared(bytes_, lengths))


def _count_shared(bytes_: NDArray[np.uint8], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Leading bytes in common with the token before."""
    is_equal = np.zeros((len(lengths), bytes_.shape[1] + 1), bool)
    is_equal[1:, :-1] = bytes_[1:] == bytes_[:-1]
    shared: NDArray[np.int64] = np.minimum(is_equal.argmin(axis=1), lengths)
    shared[1:] = np.minimum(shared[1:], lengths[:-1])
    return shared
