"""Nondeterministic automata over symbols, with assertions.

A node reads one symbol, or goes on without reading: freely; only at an end of the text; only
behind a word, or not; or only if a lookahead's body matches, or does not match, from here. A body
is an automaton of its own that is followed beside this one. Knows nothing of patterns or bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, StrEnum
from typing import NamedTuple

from forge_common.grammar.automata.alphabet import Alphabet
from forge_common.grammar.automata.budget import Budget

Symbols = frozenset[int]


class Before(StrEnum):
    """What stands before a place in the text."""

    NOTHING = "nothing"
    WORD = "a character of a word"
    OTHER = "any other"


class Anchor(Enum):
    START = "start"
    END = "end"
    BEHIND_WORD = "behind a character of a word"
    NOT_BEHIND_WORD = "not behind a character of a word"

    def holds_behind(self, before: Before) -> bool:
        """As far as what stands before decides; the end of the text is not seen there."""
        if self is Anchor.START:
            return before is Before.NOTHING
        if self is Anchor.BEHIND_WORD:
            return before is Before.WORD
        return self is Anchor.NOT_BEHIND_WORD and before is not Before.WORD


class Reading(NamedTuple):
    symbols: Symbols
    to: int


class Anchored(NamedTuple):
    anchor: Anchor
    to: int


class Looking(NamedTuple):
    body: Nfa
    is_negated: bool
    to: int


class Part(NamedTuple):
    nfa: Nfa
    is_negated: bool


class Nfa:
    """`start` to `end`; nothing leaves `end` but its own loop, where it has one."""

    def __init__(self, alphabet: Alphabet, budget: Budget) -> None:
        self.alphabet = alphabet
        self._budget = budget
        self.free: list[list[int]] = []
        self.reading: dict[int, Reading] = {}
        self.anchored: dict[int, Anchored] = {}
        self.looking: dict[int, Looking] = {}
        self.start = self.add_node()
        self.end = self.add_node()
        self.minds_words = False  # whether it asks if a word stands before a place
        self.open_loop: int | None = None  # the reader that lets any text follow the end

    def new(self) -> Nfa:
        """An empty one, for a lookahead's body, at the same cost account."""
        return Nfa(self.alphabet, self._budget)

    def add_node(self) -> int:
        self._budget.spend_node()
        self.free.append([])
        return len(self.free) - 1

    def join(self, origin: int, to: int) -> None:
        self.free[origin].append(to)

    def add_reading(self, origin: int, symbols: Symbols, to: int) -> int:
        reader = self.add_node()
        self.join(origin, reader)
        self.reading[reader] = Reading(symbols, to)
        return reader

    def add_anchor(self, origin: int, anchor: Anchor, to: int) -> None:
        node = self.add_node()
        self.join(origin, node)
        self.anchored[node] = Anchored(anchor, to)

    def add_look(self, origin: int, body: Nfa, is_negated: bool, to: int) -> None:
        node = self.add_node()
        self.join(origin, node)
        self.looking[node] = Looking(body, is_negated, to)
        self.minds_words |= body.minds_words

    def loop_on_anything(self, node: int) -> int:
        return self.add_reading(node, self.alphabet.all_symbols, node)

    def open_end(self) -> None:
        """Let any text follow what was matched."""
        self.open_loop = self.loop_on_anything(self.end)


def one_of(texts: Iterable[str], alphabet: Alphabet, budget: Budget) -> Nfa:
    """These texts, as a trie. None holds a surrogate."""
    nfa = Nfa(alphabet, budget)
    nodes: dict[tuple[int, int], int] = {}
    for text in texts:
        here = nfa.start
        for symbol in (alphabet.symbol(ord(character)) for character in text):
            following = nodes.get((here, symbol))
            if following is None:
                following = nodes[here, symbol] = nfa.add_node()
                nfa.add_reading(here, frozenset((symbol,)), following)
            here = following
        nfa.join(here, nfa.end)
    return nfa


def conjunction(parts: Iterable[Part], alphabet: Alphabet, budget: Budget) -> Nfa:
    """Texts that every part accepts, or does not accept where it is negated."""
    nfa = Nfa(alphabet, budget)
    here = nfa.start
    for part in parts:
        following = nfa.add_node()
        nfa.add_look(here, part.nfa, part.is_negated, following)
        here = following
    nfa.join(here, nfa.end)
    nfa.open_end()
    return nfa
