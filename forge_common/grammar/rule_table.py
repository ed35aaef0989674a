"""RuleTable: the rules of a Program while it is being made. Equal rules are one.

A rule can be reserved before it is known, so that rules can be recursive. Knows no schema.
"""

from __future__ import annotations

from forge_common.grammar.errors import GrammarTooLarge
from forge_common.grammar.program import MAX_RULES, AnyRule, Choice, RuleIndex


class RuleTable:
    def __init__(self) -> None:
        self._rules: list[AnyRule] = []
        self._indices: dict[AnyRule, RuleIndex] = {}

    @property
    def rules(self) -> tuple[AnyRule, ...]:
        return tuple(self._rules)

    def __getitem__(self, index: RuleIndex) -> AnyRule:
        return self._rules[index]

    def add(self, rule: AnyRule) -> RuleIndex:
        index = self._indices.get(rule)
        if index is None:
            index = self._indices[rule] = self._append(rule)
        return index

    def reserve(self) -> RuleIndex:
        """A rule that allows nothing until it is set."""
        return self._append(Choice(()))

    def set(self, index: RuleIndex, rule: AnyRule) -> None:
        self._rules[index] = rule

    def _append(self, rule: AnyRule) -> RuleIndex:
        if len(self._rules) == MAX_RULES:
            raise GrammarTooLarge(f"more than {MAX_RULES} rules")
        self._rules.append(rule)
        return len(self._rules) - 1
