"""What can be said of the rules of a component together: which match anything, and the empty text.

Knows no bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from forge_common.grammar.engine.arrays import ArrayPlan, PlaceKind
from forge_common.grammar.engine.components import Component, Member, Reference
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
from forge_common.grammar.program import AnyRule, Array, Choice, Item, Object, Repeat
from forge_common.grammar.program import Sequence as SequenceRule

MAX_UNORDERED = 4096

Flags = Sequence[bool]
Plan = ArrayPlan | ObjectPlan


class Facts(NamedTuple):
    """Of a component's members."""

    productive: Flags  # which match any text at all
    nullable: Flags  # which match the empty text
    references: Sequence[Flags]  # of each member, which match any text at all
    plans: Sequence[Plan | None]  # of arrays and objects that match any text


def find_facts(component: Component, steps: Steps) -> Facts:
    """Refuses left recursion."""
    if len(component) == 1 and int not in map(type, component[0].references):
        return _facts_of_one(component[0], steps)
    productive = _find_productive(component, steps)
    nullable = _find_nullable(component, productive, steps)
    _refuse_left_recursion(component, productive, nullable)
    flags = [flags_of(member, productive, _is_some) for member in component]
    plans = [plan_of(member.rule, own) for member, own in zip(component, flags, strict=True)]
    return Facts(productive, nullable, flags, plans)


def _facts_of_one(member: Member, steps: Steps) -> Facts:
    """Of one that does not name itself."""
    steps.spend(2 * (len(member.references) + 1))
    flags = [reference is not None for reference in member.references]
    if isinstance(member.rule, Array | Object):
        plan = plan_of(member.rule, flags)
        return Facts((plan is not None,), (False,), (flags,), (plan,))
    is_productive = _is_productive(member.rule, flags)
    is_nullable = is_productive and _is_nullable(member.rule, flags_of(member, (), _may_end))
    return Facts((is_productive,), (is_nullable,), (flags,), (None,))


def _is_some(place: Place | None) -> bool:
    return place is not None


def _may_end(place: Place | None) -> bool:
    return place is not None and place.is_accepting


def _find_productive(component: Component, steps: Steps) -> list[bool]:
    return _least(component, _is_some, _is_productive, steps)


def _find_nullable(component: Component, productive: Flags, steps: Steps) -> list[bool]:
    nullable = _least(component, _may_end, _is_nullable, steps)
    return [is_null and is_some for is_null, is_some in zip(nullable, productive, strict=True)]


def _refuse_left_recursion(component: Component, productive: Flags, nullable: Flags) -> None:
    """A rule that begins with itself: no end of calls before a byte is read."""
    num_open = [0] * len(component)
    firsts = [list(_first_members(member, productive, nullable)) for member in component]
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


def plan_of(rule: AnyRule, are_productive: Flags) -> Plan | None:
    """None for what is neither an array nor an object, and where no text at all matches."""
    match rule:
        case Object():
            if not all(are_productive[one.value] for one in rule.properties if one.is_required):
                return None
            of_object = object_plan(rule, are_productive)
            return of_object if of_object.can_finish(Progress()) else None
        case Array():
            prefix = [_kind(item, are_productive) for item in rule.prefix]
            of_array = ArrayPlan(rule, prefix, _kind(rule.rest or Item(), are_productive))
            return of_array if of_array.can_finish(of_array.start) else None
        case _:
            return None


def object_plan(rule: Object, are_productive: Flags) -> ObjectPlan:
    """Of the properties and others whose values there are."""
    are_required = [one.is_required for one in rule.properties if are_productive[one.value]]
    others = [one for one in rule.others if are_productive[one.key] and are_productive[one.value]]
    counts = Counts(len(others), rule.min_properties, rule.max_properties, rule.max_others)
    if rule.is_ordered:
        return OrderedPlan(are_required, counts)
    if len(are_required) > MAX_UNORDERED:
        raise GrammarTooLarge("an object has too many properties for any order")
    return UnorderedPlan(are_required, counts)


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
        case Array() | Object():
            return plan_of(rule, flags) is not None
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
