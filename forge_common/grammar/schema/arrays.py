"""Arrays as rules: what may stand at each place, how many there are, which of them are counted.

Knows nothing of other kinds of values.
"""

from __future__ import annotations

from collections.abc import Sequence

from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Array, Contains, Item, RuleIndex
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.branches import ArrayBranch, Branch, ConstantsBranch, NumberBranch
from forge_common.grammar.schema.facts import Conjunction, is_nothing
from forge_common.grammar.schema.json_values import Kind, kind_of, value_text
from forge_common.grammar.schema.objects import Callees
from forge_common.grammar.schema.regular import Regular

MAX_INTEGERS = 64  # that are told apart one by one


class ArrayRules:
    def __init__(self, rules: RuleTable, callees: Callees, regular: Regular) -> None:
        self._regular = regular
        self._rules = rules
        self._callees = callees

    def make(self, branch: ArrayBranch) -> RuleIndex:
        least, most = branch.num_items.minimum, branch.num_items.maximum
        if branch.is_unique and (most is None or most > 1):
            return self._distinct(branch)
        num_places = branch.num_places if most is None else min(branch.num_places, most)
        contains = branch.contains
        return self._rules.add(
            Array(
                prefix=tuple(self._item(branch, index) for index in range(num_places)),
                rest=self._item(branch, branch.num_places) if most != num_places else None,
                min_items=least,
                max_items=most,
                contains=None if contains is None else Contains(contains.minimum, contains.maximum),
            )
        )

    def _item(self, branch: ArrayBranch, index: int) -> Item:
        conjunction = branch.at(index)
        if branch.contains is None:
            return Item(other=self._rule_of(conjunction))
        term = branch.contains.term
        # Without a maximum nobody minds what is not counted although it could be.
        is_exact = branch.contains.maximum is not None
        other = conjunction | {term.opposite} if is_exact else conjunction
        return Item(other=self._rule_of(other), matching=self._rule_of(conjunction | {term}))

    def _rule_of(self, conjunction: Conjunction) -> RuleIndex | None:
        return None if is_nothing(conjunction) else self._callees.rule_of(conjunction)

    def _distinct(self, branch: ArrayBranch) -> RuleIndex:
        """Items of which there are few, so that each can be struck off."""
        if branch.layers and branch.num_places:
            raise GrammarError("not over items that differ by place", keyword="uniqueItems")
        if branch.contains is not None:
            raise GrammarError("not together with contains", keyword="uniqueItems")
        conjunction = branch.at(0)
        texts = self._texts(conjunction)
        least, most = branch.num_items.minimum, branch.num_items.maximum
        return self._rules.add(
            Array(
                rest=Item(other=self._rule_of(conjunction)) if texts else None,
                min_items=least,
                max_items=len(texts) if most is None else min(most, len(texts)),
                distinct=texts or None,
            )
        )

    def _values(self, branch: Branch) -> Sequence[object] | None:
        """None where there are not few."""
        if isinstance(branch, NumberBranch):
            return self._regular.integers(branch.rule, MAX_INTEGERS)
        return branch.values if isinstance(branch, ConstantsBranch) else None

    def _texts(self, conjunction: Conjunction) -> tuple[bytes, ...]:
        reason = "only over items of which there are few, as in an enum, none an array or object"
        if not conjunction:
            raise GrammarError(reason, keyword="uniqueItems")
        branches = [] if is_nothing(conjunction) else self._callees.branches_of(conjunction)
        values: list[object] = []
        for branch in branches:
            found = self._values(branch)
            if found is None:
                raise GrammarError(reason, keyword="uniqueItems")
            values += found
        if any(kind_of(value) in (Kind.ARRAY, Kind.OBJECT) for value in values):
            raise GrammarError(reason, keyword="uniqueItems")
        return tuple(dict.fromkeys(value_text(value).encode() for value in values))
