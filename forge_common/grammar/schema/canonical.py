"""Rules for values that are compared: each value is written in one way, so that equal ones are
equal texts.

Numbers are written plainly, strings with no needless escapes, properties in one order. Where an
object may have keys that no property names there is no such order, and that is refused. Knows
nothing of schemas.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import AnyRule, AnyValue, JsonString, Number, Object, RuleIndex
from forge_common.grammar.rule_graph import callees, with_callees
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.key_orders import KeyOrders
from forge_common.grammar.schema.steps import Steps


class CanonicalRules:
    def __init__(self, rules: RuleTable, steps: Steps) -> None:
        self._rules = rules
        self._steps = steps

    def make_items_canonical(self, array: RuleIndex) -> None:
        """Of a unique array all of whose rules are there. The old rules stay as they are."""
        rule = self._rules[array]
        old = self._reached(callees(rule))
        orders = KeyOrders(self._rules, self._steps, callees(rule))
        new = [0] * len(self._rules.rules)
        for index in old:
            new[index] = self._rules.reserve()
        for index in old:
            self._rules.set(new[index], with_callees(self._canonical(index, orders), new))
        self._rules.set(array, with_callees(rule, new))

    def _reached(self, roots: Iterable[RuleIndex]) -> list[RuleIndex]:
        found = list(dict.fromkeys(roots))
        seen = set(found)
        for index in found:
            self._steps.spend()
            further = dict.fromkeys(one for one in callees(self._rules[index]) if one not in seen)
            seen.update(further)
            found += further
        return found

    def _canonical(self, index: RuleIndex, orders: KeyOrders) -> AnyRule:
        rule = self._rules[index]
        match rule:
            case JsonString() | Number():
                return replace(rule, is_canonical=True)
            case AnyValue():
                raise GrammarError(
                    "not over values of any type at all, nor over such within items",
                    keyword="uniqueItems",
                )
            case Object() if rule.others:
                raise GrammarError(
                    "over objects only where additionalProperties is false and no pattern has keys",
                    keyword="uniqueItems",
                )
            case Object():
                return replace(rule, properties=orders.in_order(index, rule), is_ordered=True)
            case _:
                return rule
