"""A pattern's tree as a nondeterministic automaton over symbols (Thompson 1968), with assertions.

A node reads one symbol, or goes on without reading: freely, only at an end of the text, or only
if a lookahead's body matches, or does not match, from here. A body is an automaton of its own that
is followed beside this one. Knows nothing of text or bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple, TypeGuard

from interegular.patterns import (
    Pattern,
    _BasePattern,
    _CharGroup,
    _Concatenation,
    _NonCapturing,
    _Repeated,
)

from forge_common.grammar.automata.alphabet import Alphabet
from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.pattern_syntax import (
    ASSERTIONS,
    AT_END,
    AT_START,
    BOUNDARY,
    NO_BOUNDARY,
    class_of_placeholder,
)

Tree = _BasePattern | _NonCapturing
Symbols = frozenset[int]


class Before(Enum):
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


ANCHORS = {AT_START: Anchor.START, AT_END: Anchor.END}


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


class Piece(NamedTuple):
    """A part of an automaton with one way in and one way out."""

    entry: int
    exit: int


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

    def add_tree(self, tree: Tree, piece: Piece) -> None:
        """Recurses as deep as groups are nested, which the parser has bounded."""
        match tree:
            case Pattern():
                for option in tree.options:
                    self.add_tree(option, piece)
            case _Concatenation():
                self._add_parts(tree, piece)
            case _Repeated():
                self._add_repeated(tree, piece)
            case _CharGroup():
                self._add_atom(tree, piece)
            case _NonCapturing():
                self._add_lookahead(tree, piece)

    def _add_parts(self, tree: _Concatenation, piece: Piece) -> None:
        here = piece.entry
        for part in tree.parts:
            following = self.add_node()
            if here != piece.entry and _is_class(part):
                # Nothing else begins at a node between two parts, so it can read by itself.
                self.reading[here] = Reading(self._symbols(part), following)
            else:
                self.add_tree(part, Piece(here, following))
            here = following
        self.join(here, piece.exit)

    def _add_repeated(self, tree: _Repeated, piece: Piece) -> None:
        here = piece.entry
        for _ in range(tree.min):
            here = self._add_once(tree.base, here)
        if tree.max is None:
            loop = self.add_node()
            self.join(here, loop)
            self.join(self._add_once(tree.base, loop), loop)
            here = loop
        else:
            for _ in range(tree.max - tree.min):
                self.join(here, piece.exit)
                here = self._add_once(tree.base, here)
        self.join(here, piece.exit)

    def _add_once(self, base: Tree, here: int) -> int:
        following = self.add_node()
        self.add_tree(base, Piece(here, following))
        return following

    def _add_atom(self, tree: _CharGroup, piece: Piece) -> None:
        (placeholder,) = tree.chars
        if placeholder in ANCHORS:
            self.add_anchor(piece.entry, ANCHORS[placeholder], piece.exit)
        elif placeholder in (BOUNDARY, NO_BOUNDARY):
            self._add_boundary(piece, is_negated=placeholder == NO_BOUNDARY)
        else:
            self.add_reading(piece.entry, self._symbols(tree), piece.exit)

    def _add_boundary(self, piece: Piece, is_negated: bool) -> None:
        """A word ends here and none goes on, or none ends and one begins. Negated: the contrary."""
        self.minds_words = True
        for anchor in (Anchor.BEHIND_WORD, Anchor.NOT_BEHIND_WORD):
            behind = self.add_node()
            self.add_anchor(piece.entry, anchor, behind)
            body = Nfa(self.alphabet, self._budget)
            body.add_reading(body.start, self.alphabet.word_symbols, body.end)
            body.open_end()
            must_not_go_on = (anchor is Anchor.BEHIND_WORD) is not is_negated
            self.add_look(behind, body, must_not_go_on, piece.exit)

    def _symbols(self, tree: _CharGroup) -> Symbols:
        (placeholder,) = tree.chars
        return self.alphabet.symbols_of_class[class_of_placeholder(placeholder)]

    def _add_lookahead(self, tree: _NonCapturing, piece: Piece) -> None:
        body = Nfa(self.alphabet, self._budget)
        body.add_tree(tree.inner, Piece(body.start, body.end))
        body.open_end()
        self.add_look(piece.entry, body, tree.negate, piece.exit)


def _is_class(tree: Tree) -> TypeGuard[_CharGroup]:
    return isinstance(tree, _CharGroup) and tree.chars.isdisjoint(ASSERTIONS)


def whole(tree: Tree, alphabet: Alphabet, budget: Budget) -> Nfa:
    """Texts that match the pattern from end to end."""
    nfa = Nfa(alphabet, budget)
    nfa.add_tree(tree, Piece(nfa.start, nfa.end))
    return nfa


def search(tree: Tree, alphabet: Alphabet, budget: Budget) -> Nfa:
    """Texts in which the pattern is found, anywhere."""
    nfa = whole(tree, alphabet, budget)
    nfa.loop_on_anything(nfa.start)
    nfa.open_end()
    return nfa


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
