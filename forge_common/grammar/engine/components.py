"""Components: rules that name each other in a circle, and what can be said of them together.

Children come before those that name them, so everything a component names outside of itself is
there already, as a place, or None where nothing matches it. Knows no bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from forge_common.grammar.engine.arrays import ArrayPlan, PlaceKind
from forge_common.grammar.engine.memory import Steps
from forge_common.grammar.engine.object_plans import (
    Counts,
    ObjectPlan,
    OrderedPlan,
    Progress,
    UnorderedPlan,
)
from forge_common.grammar.engine.places import Place
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import (
    AnyRule,
    Array,
    Choice,
    Item,
    Object,
    Repeat,
    RuleIndex,
)
from forge_common.grammar.program import Sequence as SequenceRule

MAX_UNORDERED = 4096

Reference = Place | int | None  # an int: the component's member of that rank
Flags = Sequence[bool]


class Member(NamedTuple):
    rule: AnyRule  # naming others by their place in `references`
    references: tuple[Reference, ...]


Component = tuple[Member, ...]


def components(
    root: RuleIndex, children: Sequence[Sequence[RuleIndex]]
) -> Iterator[list[RuleIndex]]:
    """Those that the root reaches (Tarjan 1972), without recursion. `children` are by rule."""
    if max(root, *map(max, filter(None, children)), 0) >= len(children):
        raise GrammarError("a rule is named that is not there")
    order: dict[RuleIndex, int] = {}
    lowest: dict[RuleIndex, int] = {}
    in_progress: list[RuleIndex] = []
    is_done: set[RuleIndex] = set()
    path = [(root, iter(children[root]))]
    while path:
        rule, ahead = path[-1]
        if rule not in order:
            order[rule] = lowest[rule] = len(order)
            in_progress.append(rule)
        for child in ahead:
            if child not in order:
                path.append((child, iter(children[child])))
                break
            if child not in is_done:
                lowest[rule] = min(lowest[rule], order[child])
        else:
            path.pop()
            if path:
                above = path[-1][0]
                lowest[above] = min(lowest[above], lowest[rule])
            if lowest[rule] == order[rule]:
                found = _take_from(in_progress, rule)
                is_done.update(found)
                yield found


def _take_from(rules: list[RuleIndex], first: RuleIndex) -> list[RuleIndex]:
    taken = [rules.pop()]
    while taken[-1] != first:
        taken.append(rules.pop())
    taken.reverse()
    return taken


class Facts(NamedTuple):
    """Of a component's members."""

    productive: Flags  # which match any text at all
    nullable: Flags  # which match the empty text


def find_facts(component: Component, steps: Steps) -> Facts:
    """Refuses left recursion."""
    if len(component) == 1 and not any(isinstance(it, int) for it in component[0].references):
        return _facts_of_one(component[0], steps)
    productive = _find_productive(component, steps)
    facts = Facts(productive, _find_nullable(component, productive, steps))
    _refuse_left_recursion(component, facts)
    return facts


def _facts_of_one(member: Member, steps: Steps) -> Facts:
    """Of one that does not name itself."""
    steps.spend(2 * (len(member.references) + 1))
    is_productive = _is_productive(member.rule, flags_of(member, (), _is_some))
    if not is_productive or not isinstance(member.rule, Choice | SequenceRule | Repeat):
        return Facts((is_productive,), (False,))
    return Facts((True,), (_is_nullable(member.rule, flags_of(member, (), _may_end)),))


def _is_some(place: Place | None) -> bool:
    return place is not None


def _may_end(place: Place | None) -> bool:
    return place is not None and place.is_accepting


def _find_productive(component: Component, steps: Steps) -> list[bool]:
    return _least(component, _is_some, _is_productive, steps)


def _find_nullable(component: Component, productive: Flags, steps: Steps) -> list[bool]:
    nullable = _least(component, _may_end, _is_nullable, steps)
    return [is_null and is_some for is_null, is_some in zip(nullable, productive, strict=True)]


def _refuse_left_recursion(component: Component, facts: Facts) -> None:
    """A rule that begins with itself: no end of calls before a byte is read."""
    num_open = [0] * len(component)
    firsts = [list(_first_members(member, *facts)) for member in component]
    for found in firsts:
        for rank in found:
            num_open[rank] += 1
    waiting = [rank for rank, count in enumerate(num_open) if not count]
    num_done = 0
    while waiting:
        num_done += 1
        for rank in firsts[waiting.pop()]:
            num_open[rank] -= 1
            if not num_open[rank]:
                waiting.append(rank)
    if num_done < len(component):
        raise GrammarError("a rule begins with itself (left recursion)")


def array_plan(rule: Array, are_productive: Flags) -> ArrayPlan:
    prefix = [_kind(item, are_productive) for item in rule.prefix]
    return ArrayPlan(rule, prefix, _kind(rule.rest or Item(), are_productive))


def object_plan(rule: Object, are_productive: Flags) -> ObjectPlan:
    """Of the properties and others whose values there are: see `usable_entries`."""
    named = [one for one in rule.properties if are_productive[one.value]]
    num_others = sum(are_productive[one.key] and are_productive[one.value] for one in rule.others)
    counts = Counts(num_others, rule.min_properties, rule.max_properties, rule.max_others)
    if not rule.is_ordered and len(named) > MAX_UNORDERED:
        raise GrammarTooLarge("an object has too many properties for any order")
    kind = OrderedPlan if rule.is_ordered else UnorderedPlan
    return kind([one.is_required for one in named], counts)


def flags_of(member: Member, own: Flags, of_place: Callable[[Place | None], bool]) -> list[bool]:
    """A flag for each reference."""
    return [
        own[reference] if isinstance(reference, int) else of_place(reference)
        for reference in member.references
    ]


Rule = Callable[[AnyRule, Flags], bool]


def _least(
    component: Component, of_place: Callable[[Place | None], bool], holds: Rule, steps: Steps
) -> list[bool]:
    """The least solution: nothing holds unless it has to."""
    own = [False] * len(component)
    users: list[set[int]] = [set() for _ in component]
    for rank, member in enumerate(component):
        for reference in member.references:
            if isinstance(reference, int):
                users[reference].add(rank)
    waiting = list(range(len(component)))  # the last was met last: nearest to the leaves
    while waiting:
        rank = waiting.pop()
        member = component[rank]
        steps.spend(len(member.references) + 1)
        if not own[rank] and holds(member.rule, flags_of(member, own, of_place)):
            own[rank] = True
            waiting += users[rank]
    return own


def _is_productive(rule: AnyRule, flags: Flags) -> bool:
    match rule:
        case Choice():
            return any(flags)
        case SequenceRule():
            return all(flags)
        case Repeat(min_count=fewest, max_count=most):
            return fewest == 0 or (flags[0] and (most is None or most >= fewest))
        case Array():
            plan = array_plan(rule, flags)
            return plan.can_finish(plan.start)
        case Object():
            has_all = all(flags[one.value] for one in rule.properties if one.is_required)
            return has_all and object_plan(rule, flags).can_finish(Progress())
        case _:
            raise TypeError(f"{rule} is no structure")


def _is_nullable(rule: AnyRule, flags: Flags) -> bool:
    match rule:
        case Choice():
            return any(flags)
        case SequenceRule():
            return all(flags)
        case Repeat(min_count=fewest):
            return fewest == 0 or flags[0]
        case _:
            return False


def _first_members(member: Member, productive: Flags, nullable: Flags) -> Iterator[int]:
    """Members that may be called before a byte is read."""
    if not isinstance(member.rule, Choice | SequenceRule | Repeat):
        return
    for reference in member.references:
        if isinstance(reference, int) and productive[reference]:
            yield reference
        if isinstance(member.rule, SequenceRule) and not _may_be_empty(reference, nullable):
            return


def _may_be_empty(reference: Reference, nullable: Flags) -> bool:
    if isinstance(reference, int):
        return nullable[reference]
    return reference is not None and reference.is_accepting


def _kind(item: Item, are_productive: Flags) -> PlaceKind:
    other, matching = item.other, item.matching
    return PlaceKind(
        other is not None and are_productive[other],
        matching is not None and are_productive[matching],
    )
