"""Orders of keys: one for all objects that may be compared with each other.

Rules that may stand at one place of a value are compared, and so is what they hold in one place.
An order is that of each of its objects, unless these contradict each other. Knows nothing of
schemas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from forge_common.grammar.program import Array, Choice, Object, Property, RuleIndex
from forge_common.grammar.rule_graph import callees
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.steps import Steps

Together = frozenset[RuleIndex]


class KeyOrders:
    def __init__(self, rules: RuleTable, steps: Steps, roots: Iterable[RuleIndex]) -> None:
        """`roots` are compared with each other."""
        self._rules = rules
        self._steps = steps
        self._leaders: dict[RuleIndex, RuleIndex] = {}
        self._compare(self._without_choices(roots))
        members: dict[RuleIndex, list[RuleIndex]] = {}
        for index in self._leaders:
            members.setdefault(self._leader(index), []).append(index)
        self._orders = {leader: self._order(together) for leader, together in members.items()}

    def in_order(self, index: RuleIndex, rule: Object) -> tuple[Property, ...]:
        order = self._orders[self._leader(index)]
        return tuple(sorted(rule.properties, key=lambda named: order[named.key]))

    def _compare(self, roots: Together) -> None:
        waiting, seen = [roots], {roots}
        while waiting:
            together = waiting.pop()
            self._steps.spend(len(together) + 1)
            objects = [index for index in together if isinstance(self._rules[index], Object)]
            for index in objects:
                self._join(objects[0], index)
            for inner in self._inner(together, objects):
                if inner and inner not in seen:
                    seen.add(inner)
                    waiting.append(inner)

    def _inner(self, together: Together, objects: Sequence[RuleIndex]) -> Iterator[Together]:
        """What is compared within: values behind one key; items, wherever they stand."""
        by_key: dict[str, list[RuleIndex]] = {}
        for index in objects:
            rule = self._rules[index]
            for named in rule.properties if isinstance(rule, Object) else ():
                by_key.setdefault(named.key, []).append(named.value)
        yield from map(self._without_choices, by_key.values())
        arrays = [index for index in together if isinstance(self._rules[index], Array)]
        yield self._without_choices(
            item for index in arrays for item in callees(self._rules[index])
        )

    def _without_choices(self, indices: Iterable[RuleIndex]) -> Together:
        """What the choices among them may be."""
        found = list(dict.fromkeys(indices))
        seen = set(found)
        for index in found:
            rule = self._rules[index]
            self._steps.spend()
            if isinstance(rule, Choice):
                further = [one for one in dict.fromkeys(rule.alternatives) if one not in seen]
                seen.update(further)
                found += further
        return frozenset(index for index in found if not isinstance(self._rules[index], Choice))

    def _join(self, first: RuleIndex, second: RuleIndex) -> None:
        for index in (first, second):
            self._leaders.setdefault(index, index)
        self._leaders[self._leader(second)] = self._leader(first)

    def _leader(self, index: RuleIndex) -> RuleIndex:
        while self._leaders[index] != index:
            index = self._leaders[index]
        return index

    def _order(self, together: Iterable[RuleIndex]) -> dict[str, int]:
        rules = [self._rules[index] for index in sorted(together)]
        orders = [
            [named.key for named in rule.properties] for rule in rules if isinstance(rule, Object)
        ]
        found = _common_order(orders)
        if found is None:
            found = list(dict.fromkeys(key for order in orders for key in order))
        return {key: rank for rank, key in enumerate(found)}


def _common_order(orders: Iterable[Sequence[str]]) -> list[str] | None:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for order in orders:
        for key in order[:1]:
            sorter.add(key)
        for before, behind in pairwise(order):
            sorter.add(behind, before)
    try:
        return list(sorter.static_order())
    except CycleError:
        return None
