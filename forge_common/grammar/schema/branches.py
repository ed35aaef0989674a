"""Branches: values of one kind, described by all that is demanded of them at once.

    StringBranch · NumberBranch · ArrayBranch · ObjectBranch · ConstantsBranch

Knows nothing of how they come about, and nothing of rules.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_common.grammar.program import JsonString, Number
from forge_common.grammar.schema.facts import (
    Conjunction,
    Contains,
    Items,
    NamedProperty,
    NumItems,
    NumProperties,
    Properties,
    Term,
    is_nothing,
)


class StringBranch(NamedTuple):
    rule: JsonString


class NumberBranch(NamedTuple):
    rule: Number


class ArrayBranch(NamedTuple):
    layers: tuple[Items, ...]
    num_items: NumItems
    contains: Contains | None
    is_unique: bool

    def at(self, index: int) -> Conjunction:
        return frozenset[Term]().union(*(layer.at(index) for layer in self.layers))

    @property
    def num_places(self) -> int:
        """Those that any layer tells apart from what follows."""
        return max((len(layer.prefix) for layer in self.layers), default=0)


class ObjectBranch(NamedTuple):
    layers: tuple[Properties, ...]
    num_properties: NumProperties
    required: tuple[str, ...]
    names: Conjunction

    @property
    def declared(self) -> tuple[str, ...]:
        """Keys that are named, in their order: those of `properties`, then the required ones."""
        named = [named.key for layer in self.layers for named in layer.named]
        return tuple(dict.fromkeys((*named, *self.required)))

    @property
    def is_closed(self) -> bool:
        """Whether there can be sure to be no other keys than those."""
        return any(is_nothing(layer.additional) and not layer.patterns for layer in self.layers)

    def with_property(self, key: str, value: Conjunction) -> ObjectBranch:
        return self._replace(
            layers=(*self.layers, Properties((NamedProperty(key, value),))),
            required=tuple(dict.fromkeys((*self.required, key))),
        )


class ConstantsBranch(NamedTuple):
    values: tuple[object, ...]


Branch = StringBranch | NumberBranch | ArrayBranch | ObjectBranch | ConstantsBranch
