"""Regular parts of a schema: patterns found in a text, strings and numbers that there are.

Automata are worked out by the store, which many schemas share; here is how often one schema may
ask. Knows no keywords.
"""

from __future__ import annotations

from collections.abc import Sequence

from forge_common.grammar.automata.number_values import is_sure_to_have_values
from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.automata.text_counts import PlainRun, Run, StringRun, count_texts
from forge_common.grammar.program import JsonString, Literals, Number
from forge_common.grammar.schema.steps import Steps

Leaf = JsonString | Number | Literals


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

    def is_empty(self, rule: Leaf) -> bool:
        match rule:
            case JsonString():
                return self.is_string_empty(rule)
            case Number():
                return self.is_number_empty(rule)
            case Literals():
                return not rule.texts

    def count_texts(self, rules: Sequence[Leaf], limit: int) -> int:
        """How many texts all of the rules have together, or `limit`."""
        if len(rules) == 1 and isinstance(rules[0], Literals):
            return min(len(set(rules[0].texts)), limit)
        return count_texts(map(self._run, rules), limit, self._steps.spend)

    def _run(self, rule: Leaf) -> Run:
        match rule:
            case JsonString():
                string = self._automata.string(rule)
                return StringRun(string, string.start, rule.min_length, rule.max_length)
            case Number():
                return PlainRun.start(self._automata.number(rule))
            case Literals():
                return PlainRun.start(self._automata.literals(rule))

    def with_counts_as_lengths(self, rule: JsonString) -> JsonString:
        return self._automata.with_counts_as_lengths(rule) if rule.patterns else rule
