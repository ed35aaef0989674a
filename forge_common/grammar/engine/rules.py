"""Rules of a program and the rules they name: what is needed before there are machines.

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
    RuleIndex,
    Sequence,
)


def named_rules(rule: AnyRule) -> tuple[RuleIndex, ...]:
    """In the order in which `numbered` numbers them; one that is named twice is there twice."""
    match rule:
        case Choice(alternatives=alternatives):
            return alternatives
        case Sequence(parts=parts):
            return parts
        case Repeat(part=part):
            return (part,)
        case Array():
            items = [*rule.prefix, *([rule.rest] if rule.rest else [])]
            indices = [index for item in items for index in (item.other, item.matching)]
            return tuple(index for index in indices if index is not None)
        case Object():
            values = [property_.value for property_ in rule.properties]
            return (
                *values,
                *(index for other in rule.others for index in (other.key, other.value)),
            )
        case _:
            return ()


def numbered(rule: AnyRule) -> AnyRule:
    """The same rule, naming the others by their place in `named_rules`."""
    numbers = count()
    match rule:
        case Choice(alternatives=alternatives):
            return Choice(tuple(range(len(alternatives))))
        case Sequence(parts=parts):
            return Sequence(tuple(range(len(parts))))
        case Repeat():
            return replace(rule, part=0)
        case Array(is_unique=True) if rule.contains:
            raise GrammarError("unique items do not go with contains")
        case Array():
            prefix = tuple(_numbered_item(item, numbers) for item in rule.prefix)
            rest = _numbered_item(rule.rest, numbers) if rule.rest else None
            return replace(rule, prefix=prefix, rest=rest)
        case Object():
            return _numbered_object(rule, numbers)
        case _:
            return rule


def _numbered_item(item: Item, numbers: Iterator[int]) -> Item:
    other = None if item.other is None else next(numbers)
    return Item(other, None if item.matching is None else next(numbers))


def _numbered_object(rule: Object, numbers: Iterator[int]) -> Object:
    properties = tuple(
        Property(property_.key, next(numbers), property_.is_required)
        for property_ in rule.properties
    )
    others = tuple(OtherProperties(next(numbers), next(numbers)) for _ in rule.others)
    return replace(rule, properties=properties, others=others)
