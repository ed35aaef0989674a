"""Texts that must differ: what has been read of one, and which of those before it begin like it.

A text is followed only while it can become one that is not there yet. Who reads it is told by
heads: alternatives that began alike, each of which can be finished. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from forge_common.grammar.automata.text_counts import Run, count_texts
from forge_common.grammar.engine.memory import Memory, Steps, Table
from forge_common.grammar.engine.text_trees import NO_TEXTS, TextTree, TextTrees

Heads = frozenset[Run]  # at once: alternatives that begin alike


class Reading(NamedTuple):
    """Of a text: who reads it, what has been read, and the texts there are that begin with that."""

    heads: Heads
    text: bytes
    alike: TextTree

    @property
    def is_whole(self) -> bool:
        return not self.alike.is_text and any(head.is_accepting for head in self.heads)

    def read_on(self, byte: int) -> Reading:
        """Whatever there is already."""
        heads = frozenset(_stepped(self.heads, byte))
        alike = self.alike.children.get(byte, NO_TEXTS)
        return Reading(heads, self.text + bytes((byte,)), alike)


class UniqueTexts:
    """What all have in common who tell texts apart."""

    def __init__(self, memory: Memory, steps: Steps) -> None:
        self.steps = steps
        self.trees = TextTrees(memory)
        self._counts: Table[tuple[Heads, int], int] = memory.table(lambda _: 0)

    def read(self, reading: Reading, byte: int) -> Reading | None:
        """None where that is no such text, or only texts that are there already."""
        following = reading.read_on(byte)
        heads, alike = following.heads, following.alike
        return None if not heads or self.is_used_up(heads, alike.num_texts) else following

    def is_used_up(self, heads: Heads, num_alike: int) -> bool:
        """Whether all that the text may still become is there already, as so many are."""
        if num_alike == 0:
            return False
        limit = 1 << num_alike.bit_length()  # beyond it, and seldom another one
        key = (heads, limit)
        found = self._counts.find(key)
        if found is None:
            found = count_texts(heads, limit, self.steps.spend)
            self._counts.keep(key, found)
        return found == num_alike


def _stepped(heads: Heads, byte: int) -> Iterator[Run]:
    for head in heads:
        to = head.step(byte)
        if to is not None:
            yield to
