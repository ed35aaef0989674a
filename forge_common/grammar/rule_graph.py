"""Rules as a graph: whom a rule names, who is reached from the root, and programs numbered anew.

Knows nothing of what rules allow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from forge_common.grammar.program import (
    AnyRule,
    Array,
    Choice,
    Item,
    Object,
    OtherProperties,
    Program,
    Property,
    RegularRule,
    Repeat,
    RuleIndex,
)
from forge_common.grammar.program import Sequence as SequenceRule

Callees = tuple[RuleIndex, ...]
Numbers = Mapping[RuleIndex, RuleIndex] | Sequence[RuleIndex]


def callees(rule: AnyRule) -> Callees:
    match rule:
        case RegularRule():
            return ()
        case Choice():
            return rule.alternatives
        case SequenceRule():
            return rule.parts
        case Repeat():
            return (rule.part,)
        case Array():
            items = (*rule.prefix, rule.rest or Item())
            indices = [index for item in items for index in (item.other, item.matching)]
            return tuple(index for index in indices if index is not None)
        case Object():
            values = [named.value for named in rule.properties]
            others = [index for other in rule.others for index in (other.key, other.value)]
            return (*values, *others)
        case _:
            return ()


def reachable(program: Program) -> dict[RuleIndex, Callees]:
    """With whom each calls; callers before callees, as far as that goes."""
    found: dict[RuleIndex, Callees] = {}
    waiting = deque([program.root])
    while waiting:
        index = waiting.popleft()
        if index not in found:
            found[index] = callees(program.rules[index])
            waiting += found[index]
    return found


def renumbered(program: Program, graph: Mapping[RuleIndex, Callees]) -> Program:
    """Root first; without rules that nobody reaches, and without choices of one.

    `graph` says whom each rule calls that is reached, as `reachable` does.
    """
    rules = program.rules
    new: dict[RuleIndex, RuleIndex] = {}
    order = [_target(rules, program.root)]
    numbers = {order[0]: 0}
    for index in order:
        for callee in graph[index]:
            to = _target(rules, callee)
            if to not in numbers:
                numbers[to] = len(order)
                order.append(to)
            new[callee] = numbers[to]
    left = [with_callees(rules[index], new) if graph[index] else rules[index] for index in order]
    return Program(tuple(left), 0, program.whitespace)


def _target(rules: Sequence[AnyRule], index: RuleIndex) -> RuleIndex:
    """Where choices of one lead; live ones do not lead in a circle."""
    rule = rules[index]
    while isinstance(rule, Choice) and len(rule.alternatives) == 1:
        index = rule.alternatives[0]
        rule = rules[index]
    return index


def with_callees(rule: AnyRule, new: Numbers) -> AnyRule:
    """The same rule, calling `new[index]` where it called `index`."""
    match rule:
        case RegularRule():
            return rule
        case Choice():
            return Choice(tuple(dict.fromkeys([new[index] for index in rule.alternatives])))
        case SequenceRule():
            return SequenceRule(tuple([new[index] for index in rule.parts]))
        case Repeat():
            return replace(rule, part=new[rule.part])
        case Array():
            prefix = tuple([_new_item(item, new) for item in rule.prefix])
            rest = None if rule.rest is None else _new_item(rule.rest, new)
            return replace(rule, prefix=prefix, rest=rest)
        case Object():
            properties = [
                Property(one.key, new[one.value], one.is_required) for one in rule.properties
            ]
            others = [OtherProperties(new[one.key], new[one.value]) for one in rule.others]
            return replace(rule, properties=tuple(properties), others=tuple(others))
        case _:
            return rule


def _new_item(item: Item, new: Numbers) -> Item:
    return Item(
        None if item.other is None else new[item.other],
        None if item.matching is None else new[item.matching],
    )
