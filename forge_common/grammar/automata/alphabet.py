"""Alphabet: code points that no class of a grammar tells apart are one symbol.

A grammar looks at a text through its classes only, so an automaton over a handful of symbols says
as much as one over a million code points. Every code point has exactly one symbol. Knows nothing
of how code points are spelled.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.code_points import ANY, WORD, CodePoints, Span


class SymbolSpan(NamedTuple):
    first: int
    last: int
    symbol: int


class Alphabet:
    """Classes are known by their index in `classes`."""

    def __init__(self, classes: Sequence[CodePoints], budget: Budget) -> None:
        self.spans, members = _split(classes, budget)
        self.all_symbols = frozenset(range(len(members)))
        self.symbols_of_class: list[frozenset[int]] = _symbols_by_class(members, len(classes))
        self._classes = classes
        self._firsts = [span.first for span in self.spans]

    @property
    def word_symbols(self) -> frozenset[int]:
        """Those of the class WORD, which has to be one of the classes."""
        return self.symbols_of_class[self._classes.index(WORD)]

    def symbol(self, code_point: int) -> int:
        """Of a code point that is no surrogate: no text holds one."""
        return self.spans[bisect_right(self._firsts, code_point) - 1].symbol

    def common_symbol(self, first: int, last: int) -> int | None:
        """The symbol of all code points from `first` to `last`, if they have the same."""
        span = self.spans[bisect_right(self._firsts, first) - 1]
        return span.symbol if last <= span.last else None


class _Split(NamedTuple):
    spans: list[SymbolSpan]
    members: list[int]  # of each symbol: bit i is set if class i holds it


def _split(classes: Sequence[CodePoints], budget: Budget) -> _Split:
    changes: dict[int, int] = {}  # code point -> classes that begin or end there
    for index, code_points in enumerate(classes):
        budget.spend_steps(len(code_points))
        for span in code_points:
            changes[span.first] = changes.get(span.first, 0) ^ (1 << index)
            changes[span.last + 1] = changes.get(span.last + 1, 0) ^ (1 << index)
    symbols: dict[int, int] = {}
    spans: list[SymbolSpan] = []
    for piece, member in _pieces(changes):
        symbol = symbols.setdefault(member, len(symbols))
        spans.append(SymbolSpan(piece.first, piece.last, symbol))
    return _Split(spans, list(symbols))


def _pieces(changes: dict[int, int]) -> list[tuple[Span, int]]:
    """Every code point in a piece with the classes that hold all of it."""
    pieces, member = [], 0
    for whole in ANY:
        first = whole.first
        for change in sorted(point for point in changes if whole.first <= point <= whole.last + 1):
            if first < change:
                pieces.append((Span(first, change - 1), member))
            member ^= changes[change]
            first = change
        if first <= whole.last:
            pieces.append((Span(first, whole.last), member))
    return pieces


def _symbols_by_class(members: Sequence[int], num_classes: int) -> list[frozenset[int]]:
    symbols: list[list[int]] = [[] for _ in range(num_classes)]
    for symbol, member in enumerate(members):
        left = member
        while left:
            lowest = left & -left
            symbols[lowest.bit_length() - 1].append(symbol)
            left ^= lowest
    return [frozenset(found) for found in symbols]
