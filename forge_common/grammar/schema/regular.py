"""Regular parts of a schema: patterns found in a text, strings and numbers that there are.

Automata are worked out by the store, which many schemas share; here is how often one schema may
ask. Knows no keywords.
"""

from __future__ import annotations

import math
from fractions import Fraction

from forge_common.grammar.automata.number_values import is_sure_to_have_values
from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.program import JsonString, Number
from forge_common.grammar.schema.steps import Steps


class Regular:
    def __init__(self, automata: AutomatonStore, steps: Steps) -> None:
        self._automata = automata
        self._steps = steps

    def matches(self, pattern: str, text: str) -> bool:
        """Whether the pattern is found in the text; GrammarError if it is none."""
        self._steps.check_time()
        return self._automata.matches(pattern, text)

    def is_string_empty(self, rule: JsonString) -> bool:
        if not rule.patterns:
            has_lengths = rule.max_length is None or rule.min_length <= rule.max_length
            return not has_lengths or (rule.max_length == 0 and "" in rule.excluded)
        self._steps.check_time()
        return self._automata.is_string_empty(rule)

    def is_number_empty(self, rule: Number) -> bool:
        if is_sure_to_have_values(rule):
            return False
        self._steps.check_time()
        return self._automata.number(rule).is_empty

    def integers(self, rule: Number, max_integers: int) -> list[int] | None:
        """Those that there are; None where there are too many, or that is not plain to see."""
        bounds = (
            rule.minimum or rule.exclusive_minimum,
            rule.maximum or rule.exclusive_maximum,
        )
        if not rule.is_integer or bounds[0] is None or bounds[1] is None:
            return None
        first, last = math.ceil(Fraction(bounds[0])), math.floor(Fraction(bounds[1]))
        if last - first >= max_integers:
            return None
        number = self._automata.number(rule)
        return [value for value in range(first, last + 1) if number.accepts(str(value).encode())]

    def with_counts_as_lengths(self, rule: JsonString) -> JsonString:
        return self._automata.with_counts_as_lengths(rule) if rule.patterns else rule
