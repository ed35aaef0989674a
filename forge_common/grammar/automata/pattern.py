"""Patterns compiled: which texts hold all of some patterns, and none of some texts.

Alternation, repetition and lookahead follow ECMA-262, as do the classes; see `pattern_syntax` for
what is refused. Knows nothing of how text is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from interegular.patterns import Pattern as Tree

from forge_common.grammar.automata.alphabet import Alphabet
from forge_common.grammar.automata.budget import Budget, Meter, unmetered
from forge_common.grammar.automata.code_points import is_surrogate, single
from forge_common.grammar.automata.language import Language, language_of
from forge_common.grammar.automata.nfa import Nfa, Part, conjunction, one_of
from forge_common.grammar.automata.pattern_syntax import Classes, parse_pattern
from forge_common.grammar.automata.tree_nfa import search, whole
from forge_common.grammar.automata.unicode_properties import UnicodeProperties
from forge_common.grammar.program import Pattern


class PatternCompiler:
    def __init__(self, meter: Meter = unmetered) -> None:
        self._meter = meter
        self._properties = UnicodeProperties()

    def parse(self, text: str) -> Tree:
        return parse_pattern(text, Classes(self._properties))

    def whole(self, text: str) -> Language:
        """Texts that match from end to end."""
        budget, classes = Budget(meter=self._meter), Classes(self._properties)
        tree = parse_pattern(text, classes)
        alphabet = Alphabet(classes.in_order, budget)
        return language_of(whole(tree, alphabet, budget), budget)

    def search(self, patterns: Sequence[Pattern], excluded: Sequence[str] = ()) -> Language:
        """Texts in which every pattern is found, or is not where it is negated."""
        budget, classes = Budget(meter=self._meter), Classes(self._properties)
        trees = [parse_pattern(pattern.text, classes) for pattern in patterns]
        texts = [text for text in excluded if not any(map(is_surrogate, map(ord, text)))]
        for character in sorted(set().union(*texts)):
            classes.index(single(ord(character)))
        alphabet = Alphabet(classes.in_order, budget)
        parts = [
            Part(search(tree, alphabet, budget), pattern.is_negated)
            for tree, pattern in zip(trees, patterns, strict=True)
        ]
        if texts:
            parts.append(Part(one_of(texts, alphabet, budget), is_negated=True))
        return language_of(_joined(parts, alphabet, budget), budget)

    def matches(self, pattern: str, text: str) -> bool:
        """Whether the pattern is found in the text."""
        return self.search((Pattern(pattern),)).accepts(text)


def _joined(parts: Sequence[Part], alphabet: Alphabet, budget: Budget) -> Nfa:
    if len(parts) == 1 and not parts[0].is_negated:
        return parts[0].nfa
    return conjunction(parts, alphabet, budget)
