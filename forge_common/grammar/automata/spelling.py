"""How the code points of an alphabet are spelled in bytes: a tree that leads from bytes to symbols.

Equal subtrees are one node, and every node knows its `shape`: the same tree with one symbol in
place of all. Wherever all symbols below a node lead to one state, the automaton goes by the shape,
so that texts in any script cost a handful of states. Knows nothing of UTF-8 or JSON, which build
such trees.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple


class Leaf(NamedTuple):
    symbol: int


class Inner(NamedTuple):
    node: int
    is_inner: bool = True  # so that no Inner equals a Leaf


Branch = Leaf | Inner
Branches = Mapping[int, Branch]  # by byte
THE_SYMBOL = Leaf(0)
NODE_BYTES = 1000  # about


class LeafBytes(NamedTuple):
    symbol: int
    bytes: tuple[int, ...]  # each completes a code point of that symbol


class InnerBytes(NamedTuple):
    node: int
    bytes: tuple[int, ...]


class SpellingNode(NamedTuple):
    leaves: tuple[LeafBytes, ...]
    inner: tuple[InnerBytes, ...]
    symbols: tuple[int, ...]  # of all leaves below
    shape: int | None  # None if it is the node itself, or a root


class SpellingTree:
    """Nodes are added children first. `known` is for builders: what they have made, by key."""

    def __init__(self) -> None:
        self.nodes: list[SpellingNode] = []
        self.known: dict[Hashable, Inner] = {}
        self._numbers: dict[tuple[tuple[int, Branch], ...], int] = {}
        self._num_shared = 0

    @property
    def num_bytes(self) -> int:
        """Of nodes that are not shared with the tree this is a copy of."""
        return (len(self.nodes) - self._num_shared) * NODE_BYTES

    def copy(self) -> SpellingTree:
        """To add to, with all that this one has."""
        copied = SpellingTree()
        copied.nodes = self.nodes.copy()
        copied.known = self.known.copy()
        copied._numbers = self._numbers.copy()
        copied._num_shared = len(self.nodes)
        return copied

    def add(self, branches: Branches) -> Inner:
        key = tuple(sorted(branches.items()))
        number = self._numbers.get(key)
        if number is None:
            shape = self._add_shape(branches)
            number = self._numbers.setdefault(key, len(self.nodes))
            if number == len(self.nodes):
                self.nodes.append(self._node(branches, shape))
        return Inner(number)

    def root(self, branches: Branches) -> SpellingNode:
        """A node that stands below no other, so that nobody needs its number."""
        return self._node(branches, shape=None)

    def finish(self) -> None:
        """Forget what only serves to add further nodes."""
        self.known.clear()
        self._numbers.clear()

    def _add_shape(self, branches: Branches) -> int | None:
        """None where the tree is its own shape."""
        shape = {byte: self._shape_of(branch) for byte, branch in branches.items()}
        return None if shape == branches else self.add(shape).node

    def _shape_of(self, branch: Branch) -> Branch:
        if isinstance(branch, Leaf):
            return THE_SYMBOL
        shape = self.nodes[branch.node].shape
        return branch if shape is None else Inner(shape)

    def _node(self, branches: Branches, shape: int | None) -> SpellingNode:
        leaves: dict[int, list[int]] = {}
        inner: dict[int, list[int]] = {}
        for byte, branch in branches.items():
            if isinstance(branch, Leaf):
                leaves.setdefault(branch.symbol, []).append(byte)
            else:
                inner.setdefault(branch.node, []).append(byte)
        symbols = set(leaves).union(*(self.nodes[node].symbols for node in inner))
        return SpellingNode(
            leaves=tuple(LeafBytes(symbol, tuple(found)) for symbol, found in leaves.items()),
            inner=tuple(InnerBytes(node, tuple(found)) for node, found in inner.items()),
            symbols=tuple(sorted(symbols)),
            shape=shape,
        )
