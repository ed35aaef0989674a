"""Which values a field may have, where a body's type lists them: tags of Structs, and Literals.

Follows a path like `messages[0].role` down the type and, since the tag of a Struct says which of
several it is, down what was sent. Knows nothing of errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import inspect

_STEP = re.compile(r"[^.\[\]]+")


class Place(NamedTuple):
    """One type that stands at a path, and what was sent there."""

    type: inspect.Type
    sent: Any


def allowed_values(body_type: type, sent: Any, path: str) -> list[str]:
    """Empty where the type does not list them."""
    places = list(_alternatives(Place(inspect.type_info(body_type), sent)))
    for step in _STEP.findall(path):
        places = [
            alternative
            for place in places
            for inner in _inner(place, step)
            for alternative in _alternatives(inner)
        ]
    literals = (place.type for place in places if isinstance(place.type, inspect.LiteralType))
    return [str(value) for literal in literals for value in literal.values]


def _alternatives(place: Place) -> Iterator[Place]:
    match place.type:
        case inspect.UnionType(types=types):
            for one in types:
                yield from _alternatives(Place(one, place.sent))
        case inspect.Metadata(type=inner):
            yield from _alternatives(Place(inner, place.sent))
        case _:
            yield place


def _inner(place: Place, step: str) -> Iterator[Place]:
    match place:
        case Place(inspect.ListType(item_type=item), list(items)) if step.isdecimal():
            yield Place(item, items[int(step)])
        case Place(inspect.StructType() as struct, dict(fields)):
            yield from _field(struct, fields, step)


def _field(struct: inspect.StructType, fields: dict[str, Any], name: str) -> Iterator[Place]:
    if struct.tag_field is not None:
        if name == struct.tag_field:
            yield Place(inspect.LiteralType((struct.tag,)), fields.get(name))
            return
        if fields.get(struct.tag_field) != struct.tag:
            return
    for field in struct.fields:
        if field.encode_name == name:
            yield Place(field.type, fields.get(name))
