"""What the schemas that look at one value evaluate of it: what `unevaluated…` leaves alone.

Schemas that always hold beside each other (`$ref`, `allOf`) are gone through. Those of which it
depends on the value whether they hold must not evaluate more than these do. Knows no values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from forge_common.grammar.schema.documents import Document, Place
from forge_common.grammar.schema.reader import SchemaReader

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
CONDITIONAL_LISTS = ("anyOf", "oneOf")
CONDITIONAL = ("if", "then", "else")
CONDITIONAL_MAPS = ("dependentSchemas", "dependencies")
Refer = Callable[[SchemaReader, str], Place]


class Evaluated(NamedTuple):
    """Of an object: keys, patterns of keys, or all. Of an array: so many items, or all."""

    keys: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    has_all_properties: bool = False
    num_items: int = 0
    has_all_items: bool = False
    has_contains: bool = False

    def __or__(self, other: Evaluated) -> Evaluated:
        return Evaluated(
            tuple(dict.fromkeys(self.keys + other.keys)),
            tuple(dict.fromkeys(self.patterns + other.patterns)),
            self.has_all_properties or other.has_all_properties,
            max(self.num_items, other.num_items),
            self.has_all_items or other.has_all_items,
            self.has_contains or other.has_contains,
        )

    def has_properties_of(self, other: Evaluated) -> bool:
        if self.has_all_properties:
            return True
        has_same = {*self.keys} >= {*other.keys} and {*self.patterns} >= {*other.patterns}
        return has_same and not other.has_all_properties

    def has_items_of(self, other: Evaluated) -> bool:
        if self.has_all_items:
            return True
        return other.num_items <= self.num_items and not (other.has_all_items or other.has_contains)


class _Children(NamedTuple):
    always: list[Place]
    conditional: list[Place]


class Evaluations:
    def __init__(self, document: Document, refer: Refer) -> None:
        self._document = document
        self._refer = refer

    def always(self, reader: SchemaReader) -> Evaluated:
        """What is evaluated whenever the schema holds, beside its own `unevaluated…`."""
        return self._gathered(reader, lambda children: children.always)

    def elsewhere(self, reader: SchemaReader) -> Evaluated:
        """`always` without the keys and patterns that the schema itself has."""
        own, found = _own(reader), self.always(reader)
        return found._replace(
            keys=tuple(key for key in found.keys if key not in own.keys),
            patterns=tuple(text for text in found.patterns if text not in own.patterns),
        )

    def ever(self, reader: SchemaReader) -> Evaluated:
        """What may be evaluated if the schema holds."""
        return self._gathered(reader, lambda children: [*children.always, *children.conditional])

    def _gathered(
        self, reader: SchemaReader, choose: Callable[[_Children], list[Place]]
    ) -> Evaluated:
        found = _own(reader)
        waiting = choose(self._children(reader))
        seen = {reader.place, *waiting}
        for place in waiting:
            inner = SchemaReader(self._document, place)
            found |= _own(inner) | _unevaluated(inner)
            new = [one for one in choose(self._children(inner)) if one not in seen]
            seen.update(new)
            waiting += new
        return found

    def _children(self, reader: SchemaReader) -> _Children:
        always = [self._refer(reader, keyword) for keyword in REFERENCES if keyword in reader]
        always += reader.children("allOf") if "allOf" in reader else []
        return _Children(always, list(_conditional(reader)))


def _conditional(reader: SchemaReader) -> Iterator[Place]:
    for keyword in CONDITIONAL_LISTS:
        yield from reader.children(keyword) if keyword in reader else ()
    yield from (reader.child(keyword) for keyword in CONDITIONAL if keyword in reader)
    for keyword in CONDITIONAL_MAPS:
        for key, value in reader.mapping(keyword).items():
            if isinstance(value, dict | bool):
                yield reader.child(keyword, key)


def _own(reader: SchemaReader) -> Evaluated:
    items = reader.raw("items")
    is_tuple = isinstance(items, list)
    prefix = reader.children("prefixItems") if "prefixItems" in reader else []
    return Evaluated(
        tuple(reader.mapping("properties")),
        tuple(reader.mapping("patternProperties")),
        "additionalProperties" in reader,
        len(items) if isinstance(items, list) else len(prefix),
        ("items" in reader and not is_tuple) or ("additionalItems" in reader and is_tuple),
        "contains" in reader,
    )


def _unevaluated(reader: SchemaReader) -> Evaluated:
    return Evaluated(
        has_all_properties="unevaluatedProperties" in reader,
        has_all_items="unevaluatedItems" in reader,
    )
