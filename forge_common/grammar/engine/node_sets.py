"""Sets of trie nodes: where in their tokens those stand that a machine has read so far.

A leaf is in none of them: nothing can follow it within a token. Equal sets are one object for as
long as they are cached, so that a walk is found again by the set it begins with. Knows no grammars.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forge_common.grammar.engine.memory import Memory, Table
from forge_common.grammar.vocabulary_trie import NO_TOKEN, ROOT, VocabularyTrie

NODE_BYTES = 44
FEW_NODES = 24  # up to here a loop is faster than NumPy


class NodeSet:
    __slots__ = ("_array", "nodes")

    def __init__(self, nodes: tuple[int, ...]) -> None:
        self.nodes = nodes  # by rising number
        self._array: NDArray[np.int32] | None = None

    @property
    def array(self) -> NDArray[np.int32]:
        """The same; not to be changed."""
        if self._array is None:
            self._array = np.array(self.nodes, np.int32)
        return self._array


class Child(NamedTuple):
    """What one byte leads to: tokens that end with it, nodes that have more."""

    tokens: list[int]
    further: NodeSet | None


class NodeSets:
    def __init__(self, trie: VocabularyTrie, memory: Memory) -> None:
        self.trie = trie
        self.root = NodeSet((ROOT,))
        self._sets: Table[tuple[int, ...], NodeSet] = memory.table(_size_of_set)
        self._children: Table[tuple[NodeSet, int], Child] = memory.table(_size_of_child)
        self._unions: Table[frozenset[NodeSet], NodeSet] = memory.table(lambda _: 0)

    def of(self, nodes: Iterable[int]) -> NodeSet | None:
        """None for an empty set. Leaves are dropped."""
        firsts = self.trie.first_child_list
        return self._of_sorted(
            tuple(sorted(node for node in set(nodes) if firsts[node] < firsts[node + 1]))
        )

    def of_array(self, nodes: NDArray[np.int32]) -> NodeSet | None:
        if len(nodes) <= FEW_NODES:
            return self.of(nodes.tolist())
        firsts = self.trie.first_child
        inner = np.sort(nodes[firsts[nodes] < firsts[nodes + 1]])
        is_new = np.ones(len(inner), bool)
        is_new[1:] = inner[1:] != inner[:-1]  # np.unique takes ten times as long
        return self._of_sorted(tuple(inner[is_new].tolist()))

    def child(self, nodes: NodeSet, byte: int) -> Child:
        key = (nodes, byte)
        found = self._children.find(key)
        return self._children.keep(key, self._find_child(nodes, byte)) if found is None else found

    def union(self, sets: Iterable[NodeSet]) -> NodeSet | None:
        distinct = frozenset(sets)
        if len(distinct) < 2:
            return next(iter(distinct), None)
        found = self._unions.find(distinct)
        if found is None:
            joined = self.of_array(np.concatenate([nodes.array for nodes in distinct]))
            if joined is not None:
                self._unions.keep(distinct, joined)
            return joined
        return found

    def without(self, nodes: NodeSet | None, removed: NodeSet) -> NodeSet | None:
        if nodes is None or nodes is removed:
            return None
        if len(nodes.nodes) <= FEW_NODES:
            return self._of_sorted(tuple(sorted(set(nodes.nodes).difference(removed.nodes))))
        is_left = np.isin(nodes.array, removed.array, invert=True, assume_unique=True, kind="table")
        return self._of_sorted(tuple(nodes.array[is_left].tolist()))

    def _of_sorted(self, nodes: tuple[int, ...]) -> NodeSet | None:
        if not nodes:
            return None
        if nodes == self.root.nodes:
            return self.root
        found = self._sets.find(nodes)
        return self._sets.keep(nodes, NodeSet(nodes)) if found is None else found

    def _find_child(self, nodes: NodeSet, byte: int) -> Child:
        if len(nodes.nodes) > FEW_NODES:
            return self._find_child_of_many(nodes, byte)
        trie = self.trie
        children = [child for node in nodes.nodes if (child := trie.child(node, byte)) != ROOT]
        tokens = [trie.token_list[child] for child in children]
        return Child([token for token in tokens if token != NO_TOKEN], self.of(children))

    def _find_child_of_many(self, nodes: NodeSet, byte: int) -> Child:
        trie = self.trie
        children, _ = trie.children(nodes.array)
        children = children[trie.bytes_by_node[children] == byte]
        tokens = trie.token_at[children]
        return Child(tokens[tokens != NO_TOKEN].tolist(), self.of_array(children))


def _size_of_set(nodes: NodeSet) -> int:
    return len(nodes.nodes) * NODE_BYTES


def _size_of_child(child: Child) -> int:
    return len(child.tokens) * NODE_BYTES
