"""A pattern's tree as a nondeterministic automaton (Thompson 1968). Knows nothing of states."""

from __future__ import annotations

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
from forge_common.grammar.automata.nfa import Anchor, Nfa, Reading, Symbols
from forge_common.grammar.automata.pattern_syntax import (
    ASSERTIONS,
    AT_END,
    AT_START,
    BOUNDARY,
    NO_BOUNDARY,
    class_of_placeholder,
)

Tree = _BasePattern | _NonCapturing
ANCHORS = {AT_START: Anchor.START, AT_END: Anchor.END}


def whole(tree: Tree, alphabet: Alphabet, budget: Budget) -> Nfa:
    """Texts that match the pattern from end to end."""
    nfa = Nfa(alphabet, budget)
    _TreeBuilder(nfa).add(tree, Piece(nfa.start, nfa.end))
    return nfa


def search(tree: Tree, alphabet: Alphabet, budget: Budget) -> Nfa:
    """Texts in which the pattern is found, anywhere."""
    nfa = whole(tree, alphabet, budget)
    nfa.loop_on_anything(nfa.start)
    nfa.open_end()
    return nfa


class Piece(NamedTuple):
    """A part of an automaton with one way in and one way out."""

    entry: int
    exit: int


class _TreeBuilder:
    def __init__(self, nfa: Nfa) -> None:
        self._nfa = nfa

    def add(self, tree: Tree, piece: Piece) -> None:
        """Recurses as deep as groups are nested, which the parser has bounded."""
        match tree:
            case Pattern():
                for option in tree.options:
                    self.add(option, piece)
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
            following = self._nfa.add_node()
            if here != piece.entry and _is_class(part):
                # Nothing else begins at a node between two parts, so it can read by itself.
                self._nfa.reading[here] = Reading(self._symbols(part), following)
            else:
                self.add(part, Piece(here, following))
            here = following
        self._nfa.join(here, piece.exit)

    def _add_repeated(self, tree: _Repeated, piece: Piece) -> None:
        here = piece.entry
        for _ in range(tree.min):
            here = self._add_once(tree.base, here)
        if tree.max is None:
            loop = self._nfa.add_node()
            self._nfa.join(here, loop)
            self._nfa.join(self._add_once(tree.base, loop), loop)
            here = loop
        else:
            for _ in range(tree.max - tree.min):
                self._nfa.join(here, piece.exit)
                here = self._add_once(tree.base, here)
        self._nfa.join(here, piece.exit)

    def _add_once(self, base: Tree, here: int) -> int:
        following = self._nfa.add_node()
        self.add(base, Piece(here, following))
        return following

    def _add_atom(self, tree: _CharGroup, piece: Piece) -> None:
        (placeholder,) = tree.chars
        if placeholder in ANCHORS:
            self._nfa.add_anchor(piece.entry, ANCHORS[placeholder], piece.exit)
        elif placeholder in (BOUNDARY, NO_BOUNDARY):
            self._add_boundary(piece, is_negated=placeholder == NO_BOUNDARY)
        else:
            self._nfa.add_reading(piece.entry, self._symbols(tree), piece.exit)

    def _add_boundary(self, piece: Piece, is_negated: bool) -> None:
        """A word ends here and none goes on, or none ends and one begins. Negated: the contrary."""
        self._nfa.minds_words = True
        for anchor in (Anchor.BEHIND_WORD, Anchor.NOT_BEHIND_WORD):
            behind = self._nfa.add_node()
            self._nfa.add_anchor(piece.entry, anchor, behind)
            body = self._nfa.new()
            body.add_reading(body.start, self._nfa.alphabet.word_symbols, body.end)
            body.open_end()
            must_not_go_on = (anchor is Anchor.BEHIND_WORD) is not is_negated
            self._nfa.add_look(behind, body, must_not_go_on, piece.exit)

    def _symbols(self, tree: _CharGroup) -> Symbols:
        (placeholder,) = tree.chars
        return self._nfa.alphabet.symbols_of_class[class_of_placeholder(placeholder)]

    def _add_lookahead(self, tree: _NonCapturing, piece: Piece) -> None:
        body = self._nfa.new()
        _TreeBuilder(body).add(tree.inner, Piece(body.start, body.end))
        body.open_end()
        self._nfa.add_look(piece.entry, body, tree.negate, piece.exit)


def _is_class(tree: Tree) -> TypeGuard[_CharGroup]:
    return isinstance(tree, _CharGroup) and tree.chars.isdisjoint(ASSERTIONS)
