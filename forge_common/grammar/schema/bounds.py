"""Bounds of a schema's size and depth, checked before anything else looks at it.

Knows nothing of schemas: they hold for any JSON value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from forge_common.grammar.errors import GrammarTooLarge
from forge_common.grammar.schema.addresses import pointer_token

MAX_DEPTH = 96
MAX_VALUES = 2**17

CONTAINERS = (dict, list)


class _Nested(NamedTuple):
    value: object
    depth: int
    holder: _Nested | None = None
    token: object = ""  # a key, or an index

    @property
    def pointer(self) -> str:
        tokens: list[str] = []
        here = self
        while here.holder is not None:
            tokens.append(pointer_token(str(here.token)))
            here = here.holder
        return "".join(reversed(tokens))


def check_bounds(root: object) -> None:
    """GrammarTooLarge where a value is nested too deep or holds too many others."""
    bounded_objects(root)


def bounded_objects(root: object) -> list[Mapping[str, object]]:
    """All that there are in it, once it is known to be within bounds."""
    found: list[Mapping[str, object]] = []
    level: list[Any] = [root] if isinstance(root, CONTAINERS) else []
    num_values, depth = 1, 0
    while level:
        num_values += sum(map(len, level))
        if depth > MAX_DEPTH or num_values > MAX_VALUES:
            _refuse(root)
        found += [container for container in level if isinstance(container, dict)]
        level = [
            member
            for container in level
            for member in (container.values() if isinstance(container, dict) else container)
            if isinstance(member, CONTAINERS)
        ]
        depth += 1
    return found


def _refuse(root: object) -> NoReturn:
    """Goes through it once more, to say where the bound is."""
    waiting = [_Nested(root, 0)]
    num_values = 1
    while waiting:
        nested = waiting.pop()
        if isinstance(nested.value, CONTAINERS):
            num_values += len(nested.value)
            _check_bounds_at(nested, num_values)
            waiting += _inner_containers(nested)
    raise TypeError("it is within bounds")


def _check_bounds_at(nested: _Nested, num_values: int) -> None:
    if nested.depth > MAX_DEPTH:
        raise GrammarTooLarge(f"nested more than {MAX_DEPTH} deep", pointer=nested.pointer)
    if num_values > MAX_VALUES:
        raise GrammarTooLarge(f"more than {MAX_VALUES} values", pointer=nested.pointer)


def _inner_containers(nested: _Nested) -> list[_Nested]:
    value, depth = nested.value, nested.depth + 1
    members = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]
    return [
        _Nested(member, depth, nested, token)
        for token, member in members
        if isinstance(member, CONTAINERS)
    ]
