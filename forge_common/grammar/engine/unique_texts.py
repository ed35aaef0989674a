"""Texts that must differ: what has been read of one, and which of those before it begin like it.

A text is followed only while it can become one that is not there yet. Who reads it is told by
heads: alternatives that began alike, each of which can be finished. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
        self._among: Table[tuple[Heads, TextTree], int] = memory.table(lambda _: 0)

    def is_used_up(self, heads: Heads, num_alike: int) -> bool:
        """Whether all that the text may still become is there already, as so many are."""
        return num_alike > 0 and self.count(heads, num_alike) == num_alike

    def count(self, heads: Heads, num_alike: int) -> int:
        """How many texts it may still become; or more than are alike."""
        limit = 1 << num_alike.bit_length()  # seldom another one
        key = (heads, limit)
        found = self._counts.find(key)
        if found is None:
            found = count_texts(heads, limit, self.steps.spend)
            self._counts.keep(key, found)
        return found

    def num_among(self, heads: Heads, texts: TextTree) -> int:
        """How many of the texts it may still become."""
        key = (heads, texts)
        found = self._among.find(key)
        return self._among.keep(key, self._find_among(heads, texts)) if found is None else found

    def _find_among(self, heads: Heads, texts: TextTree) -> int:
        num_found = 0
        waiting = [(heads, texts)]
        while waiting:
            here, tree = waiting.pop()
            self.steps.spend()
            num_found += tree.is_text and any(head.is_accepting for head in here)
            for byte, child in tree.children.items():
                following = frozenset(_stepped(here, byte))
                if following:
                    waiting.append((following, child))
        return num_found


class TextReader:
    """Of texts that must differ."""

    def __init__(self, texts: UniqueTexts) -> None:
        self._texts = texts

    def read_on(self, reading: Reading, byte: int) -> Reading:
        """Whatever there is already."""
        return reading.read_on(byte)

    def read(self, reading: Reading, byte: int) -> Reading | None:
        """None where that is no such text, or only texts that are there already."""
        following = reading.read_on(byte)
        heads, alike = following.heads, following.alike
        return None if not heads or self._texts.is_used_up(heads, alike.num_texts) else following

    def bytes_along(self, reading: Reading) -> Iterable[int]:
        """Those with which one reads on along texts that are there."""
        return reading.alike.children


def texts_of(heads: Heads) -> list[bytes]:
    """All of them, where there are few."""
    found = []
    waiting = [(heads, b"")]
    while waiting:
        here, text = waiting.pop()
        found += [text] if any(head.is_accepting for head in here) else []
        for byte in {byte for head in here for byte in head.next_bytes()}:
            waiting.append((frozenset(_stepped(here, byte)), text + bytes((byte,))))
    return found


def is_text(heads: Heads, text: bytes) -> bool:
    for byte in text:
        heads = frozenset(_stepped(heads, byte))
    return any(head.is_accepting for head in heads)


def _stepped(heads: Heads, byte: int) -> Iterator[Run]:
    for head in heads:
        to = head.step(byte)
        if to is not None:
            yield to
