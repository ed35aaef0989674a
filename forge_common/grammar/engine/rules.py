"""Rules of a program without their numbers there, as machines that programs share go by them.

Knows nothing of what a rule means but which others it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from msgspec.structs import replace

from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import (
    AnyRule,
    Array,
    Choice,
    Item,
    Object,
    OtherProperties,
    Property,
    Repeat,
    Sequence,
)


def numbered(rule: AnyRule) -> AnyRule:
    """The same rule, naming the others by their place in its `callees`."""
    match rule:
        case Object():
            return _numbered_object(rule)
        case Array(is_unique=True) if rule.contains:
            raise GrammarError("unique items do not go with contains")
        case Array():
            numbers = count()
            prefix = [_numbered_item(item, numbers) for item in rule.prefix]
            rest = _numbered_item(rule.rest, numbers) if rule.rest else None
            return replace(rule, prefix=tuple(prefix), rest=rest)
        case Choice(alternatives=alternatives):
            return Choice(tuple(range(len(alternatives))))
        case Sequence(parts=parts):
            return Sequence(tuple(range(len(parts))))
        case Repeat():
            return replace(rule, part=0)
        case _:
            return rule


def _numbered_item(item: Item, numbers: Iterator[int]) -> Item:
    other = None if item.other is None else next(numbers)
    return Item(other, None if item.matching is None else next(numbers))


def _numbered_object(rule: Object) -> Object:
    num_named = len(rule.properties)
    properties = [
        Property(one.key, index, one.is_required) for index, one in enumerate(rule.properties)
    ]
    others = [
        OtherProperties(index, index + 1)
        for index in range(num_named, num_named + 2 * len(rule.others), 2)
    ]
    return replace(rule, properties=tuple(properties), others=tuple(others))
