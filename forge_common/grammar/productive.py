"""A Program without what can never be finished: dead alternatives, dead optional properties, …

A rule is live if it allows some text, found as a least fixpoint over all rules: one that needs
itself is not. Then rules nobody reaches are left out, and a choice of one is that one. Knows
nothing of schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.program import (
    AnyRule,
    AnyValue,
    Array,
    Choice,
    Item,
    JsonString,
    Number,
    Object,
    Program,
    RegularRule,
    Repeat,
    RuleIndex,
    Text,
)
from forge_common.grammar.program import Sequence as SequenceRule
from forge_common.grammar.rule_graph import Callees, callees, reachable, renumbered

IsProductive = Callable[[RegularRule], bool]


def productive(program: Program, automata: AutomatonStore) -> Program:
    """Allows the same texts. Where there are none its root is a choice of nothing."""
    return _productive(program, lambda rule: _is_regular_productive(rule, automata))


def productive_structures(program: Program) -> Program:
    """The same where it is known of every regular rule that it is productive."""
    return _productive(program, lambda _: True)


def _productive(program: Program, is_regular_productive: IsProductive) -> Program:
    graph = reachable(program)
    live = _LiveRules(program.rules, is_regular_productive)
    live.find(graph)
    left: list[AnyRule] = list(program.rules)
    for index, called in graph.items():
        rule = live.without_dead(index, called)
        if rule is not left[index]:
            left[index] = rule
            graph[index] = callees(rule)
    return renumbered(Program(tuple(left), program.root, program.whitespace), graph)


def is_empty(program: Program) -> bool:
    """Of what `productive` returned: whether it allows no text at all."""
    return program.rules[program.root] == Choice(())


class _NumItems(NamedTuple):
    least: int
    most: int | None

    @property
    def is_possible(self) -> bool:
        return self.most is None or self.least <= self.most


class _LiveRules:
    def __init__(self, rules: Sequence[AnyRule], is_regular_productive: IsProductive) -> None:
        self._rules = rules
        self._is_regular_productive = is_regular_productive
        self._live: set[RuleIndex] = set()

    def is_live(self, index: RuleIndex | None) -> bool:
        return index in self._live

    def find(self, reachable: Mapping[RuleIndex, Callees]) -> None:
        for index in reversed(list(reachable)):  # callees before their callers, as far as that goes
            if self._is_productive(self._rules[index]):
                self._live.add(index)
        if len(self._live) < len(reachable):
            self._find_others(reachable)

    def _find_others(self, reachable: Mapping[RuleIndex, Callees]) -> None:
        callers: dict[RuleIndex, list[RuleIndex]] = {index: [] for index in reachable}
        for index, called in reachable.items():
            for callee in called:
                callers[callee].append(index)
        waiting = dict.fromkeys(reachable)
        while waiting:
            index, _ = waiting.popitem()
            if index not in self._live and self._is_productive(self._rules[index]):
                self._live.add(index)
                waiting.update(dict.fromkeys(callers[index]))

    def without_dead(self, index: RuleIndex, called: Callees) -> AnyRule:
        """A rule without its dead parts; nothing where it is dead itself."""
        rule = self._rules[index]
        if index not in self._live:
            return Choice(())
        if self._live.issuperset(called) and not isinstance(rule, Array):
            return rule
        match rule:
            case Choice():
                return Choice(tuple(filter(self.is_live, rule.alternatives)))
            case Repeat() if not self.is_live(rule.part):
                return SequenceRule(())
            case Array():
                return self._live_array(rule)
            case Object():
                return replace(
                    rule,
                    properties=tuple(
                        named for named in rule.properties if self.is_live(named.value)
                    ),
                    others=tuple(
                        other
                        for other in rule.others
                        if self.is_live(other.key) and self.is_live(other.value)
                    ),
                )
            case _:
                return rule

    def _is_productive(self, rule: AnyRule) -> bool:
        match rule:
            case RegularRule():
                return self._is_regular_productive(rule)
            case AnyValue():
                return True
            case Choice():
                return not self._live.isdisjoint(rule.alternatives)
            case SequenceRule():
                return self._live.issuperset(rule.parts)
            case Repeat():
                has_counts = rule.max_count is None or rule.min_count <= rule.max_count
                return has_counts and (rule.min_count == 0 or self.is_live(rule.part))
            case Array():
                return self._num_items(rule).is_possible
            case Object():
                return self._is_object_productive(rule)

    def _is_object_productive(self, rule: Object) -> bool:
        required = [named.value for named in rule.properties if named.is_required]
        most = rule.max_properties
        if not self._live.issuperset(required):
            return False
        if rule.min_properties == 0 and most is None:
            return True
        if most is not None and len(required) > most:
            return False
        if most is not None and rule.min_properties > most:
            return False
        num_named = sum(self.is_live(named.value) for named in rule.properties)
        has_others = any(
            self.is_live(other.key) and self.is_live(other.value) for other in rule.others
        )
        if has_others and rule.max_others is None:
            return True
        return rule.min_properties <= num_named + (rule.max_others or 0) * has_others

    def _live_array(self, rule: Array) -> Array:
        least, most = self._num_items(rule)
        prefix = tuple(map(self._live_item, rule.prefix))
        rest = None if rule.rest is None else self._live_item(rule.rest)
        if most is not None and most <= len(prefix):
            prefix, rest = prefix[:most], None
        return replace(rule, prefix=prefix, rest=rest, min_items=least, max_items=most)

    def _live_item(self, item: Item) -> Item:
        return Item(
            item.other if self.is_live(item.other) else None,
            item.matching if self.is_live(item.matching) else None,
        )

    def _num_items(self, rule: Array) -> _NumItems:
        """How many items there may be, as far as live ones and what is to be counted allow."""
        least, most = rule.min_items, _least_of(rule.max_items, self._num_live_places(rule))
        if rule.contains is None:
            return _NumItems(least, most)
        counted, max_counted = rule.contains.min_count, rule.contains.max_count
        needed = _num_places_until(rule, counted, self._can_count)
        if needed is None:
            return _NumItems(1, 0)
        if max_counted is not None:
            too_many = _num_places_until(rule, max_counted + 1, self._must_count)
            most = _least_of(most, None if too_many is None else too_many - 1)
            most = most if counted <= max_counted else 0
            needed = needed if counted <= max_counted else 1
        return _NumItems(max(least, needed), most)

    def _num_live_places(self, rule: Array) -> int | None:
        """None where any number of items can follow each other."""
        for index, item in enumerate(rule.prefix):
            if not self._is_item_live(item):
                return index
        is_open = rule.rest is not None and self._is_item_live(rule.rest)
        return None if is_open else len(rule.prefix)

    def _is_item_live(self, item: Item) -> bool:
        return self.is_live(item.other) or self.is_live(item.matching)

    def _can_count(self, item: Item) -> bool:
        return self.is_live(item.matching)

    def _must_count(self, item: Item) -> bool:
        return self.is_live(item.matching) and not self.is_live(item.other)


def _is_regular_productive(rule: RegularRule, automata: AutomatonStore) -> bool:
    match rule:
        case Text():
            return not automata.text(rule).is_empty
        case JsonString():
            return not automata.is_string_empty(rule)
        case Number():
            return not automata.number(rule).is_empty
        case _:
            return True  # literals and free text


def _least_of(first: int | None, second: int | None) -> int | None:
    """Of two limits, where None is none at all."""
    return min((limit for limit in (first, second) if limit is not None), default=None)


def _num_places_until(rule: Array, num_wanted: int, holds: Callable[[Item], bool]) -> int | None:
    """How many places it takes until so many of them hold; None if there never are."""
    num_found = 0
    if num_wanted == 0:
        return 0
    for index, item in enumerate(rule.prefix):
        num_found += holds(item)
        if num_found == num_wanted:
            return index + 1
    if rule.rest is None or not holds(rule.rest):
        return None
    return len(rule.prefix) + num_wanted - num_found
