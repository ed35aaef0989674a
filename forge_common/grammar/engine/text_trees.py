"""Sets of texts as trees of their bytes, made by adding to others: what a set has in common with
the one it came from is shared. Equal sets are one object for as long as they are cached.

Knows no grammars.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from forge_common.grammar.engine.memory import Memory, Table
from forge_common.grammar.errors import GrammarTooLarge

MAX_TEXTS = 4096
MAX_BYTES = 2**16
NODE_BYTES = 300
CHILD_BYTES = 120


class TextTree:
    """What may follow some bytes. `num_texts` counts those that end here or further on."""

    __slots__ = ("children", "is_text", "num_bytes", "num_texts")

    num_texts: int
    num_bytes: int

    def __init__(self, is_text: bool, children: Mapping[int, TextTree]) -> None:
        self.is_text = is_text
        self.children = children
        self.num_texts = is_text + sum(child.num_texts for child in children.values())
        self.num_bytes = sum(child.num_texts + child.num_bytes for child in children.values())


NO_TEXTS = TextTree(is_text=False, children=MappingProxyType({}))


class TextTrees:
    def __init__(self, memory: Memory) -> None:
        self._trees: Table[tuple[bool, frozenset[tuple[int, TextTree]]], TextTree] = memory.table(
            lambda tree: NODE_BYTES + len(tree.children) * CHILD_BYTES
        )

    def added(self, tree: TextTree, text: bytes) -> TextTree:
        """GrammarTooLarge where there are too many, or they are too long together."""
        if tree.num_texts >= MAX_TEXTS or tree.num_bytes + len(text) > MAX_BYTES:
            raise GrammarTooLarge("items that have to differ are too many or too long to remember")
        path = [tree]
        for byte in text:
            path.append(path[-1].children.get(byte, NO_TEXTS))
        below = self._tree(is_text=True, children=path.pop().children)
        for above, byte in zip(reversed(path), reversed(text), strict=True):
            below = self._tree(above.is_text, {**above.children, byte: below})
        return below

    def _tree(self, is_text: bool, children: Mapping[int, TextTree]) -> TextTree:
        key = (is_text, frozenset(children.items()))
        found = self._trees.find(key)
        return self._trees.keep(key, TextTree(is_text, children)) if found is None else found
