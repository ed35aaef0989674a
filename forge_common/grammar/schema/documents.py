"""Document: one schema with its parts, each a place with a JSON pointer, and what refers to what.

Bounded in size and depth before anything else looks at it. References stay within the document,
by pointer, by anchor or by the `$id` of a part; whatever lies outside is refused. Knows nothing of
what keywords mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.schema.keywords import (
    Draft,
    draft_of,
    known_keywords,
    subschemas,
)

MAX_DEPTH = 96
MAX_VALUES = 2**17

IDENTIFIERS = frozenset(
    {"$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$schema"}
)  # what `_read_identifier` looks at

CONTAINERS = (dict, list)

Place = int  # of a schema within its document
FALSE_PLACE = 0  # the schema `false`, which stands nowhere


class _Anchor(NamedTuple):
    resource: str
    name: str


class _Found(NamedTuple):
    schema: object
    base: str  # the URI that its references are relative to
    holder: _Found | None = None
    path: tuple[str, ...] = ()  # from there

    @property
    def pointer(self) -> str:
        """Joined when it is asked for, which is seldom."""
        tokens: list[str] = []
        here: _Found | None = self
        while here is not None:
            tokens += reversed(here.path)
            here = here.holder
        return "".join(map(pointer_token, reversed(tokens)))


class Document:
    def __init__(self, root: object) -> None:
        objects = _bounded_objects(root)
        self._root = root
        self.draft = draft_of(root, Draft.DRAFT_2020)
        self._resources = {"": ""}  # URI -> pointer
        self._anchors: dict[_Anchor, str] = {}
        self._num_dynamic: dict[str, int] = {}  # anchors of a name
        self._num_recursive = 0
        self._bases = {"": ""}  # pointer -> URI
        self._pointers = [""]
        self._schemas: list[object] = [False]
        self._known: list[bool | Mapping[str, object]] = [False]
        self._places: dict[str, Place] = {}
        if not all(map(IDENTIFIERS.isdisjoint, objects)):
            self._read_identifiers()
        self.root = self.place("")

    def pointer(self, place: Place) -> str:
        return self._pointers[place]

    def schema(self, place: Place) -> bool | Mapping[str, object]:
        """A schema without the words that say nothing about values."""
        return self._known[place]

    def place(self, pointer: str) -> Place:
        place = self._places.get(pointer)
        if place is None:
            tokens = [_unescaped(token) for token in pointer.split("/")[1:]]
            place = self._add_place(pointer, _look_up(self._root, tokens))
        return place

    def child(self, place: Place, *path: str) -> Place:
        pointer = self._pointers[place] + "".join(map(pointer_token, path))
        child = self._places.get(pointer)
        if child is None:
            child = self._add_place(pointer, _look_up(self._schemas[place], path))
        return child

    def _add_place(self, pointer: str, schema: object) -> Place:
        if not isinstance(schema, dict | bool):
            raise GrammarError("not a schema", pointer=pointer)
        place = self._places[pointer] = len(self._schemas)
        self._schemas.append(schema)
        known = schema if isinstance(schema, bool) else known_keywords(schema, self.draft)
        self._known.append(known)
        self._pointers.append(pointer)
        return place

    def resolve(self, place: Place, reference: str) -> Place:
        """Where a `$ref` leads."""
        resource, fragment = self._target(place, reference)
        root = self._resources.get(resource)
        if root is None:
            raise GrammarError(f"{reference!r} lies outside of the schema")
        if not fragment or fragment.startswith("/"):
            return self._place_of_reference(root + fragment, reference)
        pointer = self._anchors.get(_Anchor(resource, fragment))
        if pointer is None:
            raise GrammarError(f"{reference!r} leads nowhere")
        return self.place(pointer)

    def resolve_dynamic(self, place: Place, reference: str) -> Place:
        """Where a `$dynamicRef` leads, if that does not depend on how it was reached."""
        _, name = self._target(place, reference)
        if self._num_dynamic.get(name, 0) > 1:
            raise GrammarError(f"several parts of the schema have the dynamic anchor {name!r}")
        return self.resolve(place, reference)

    def resolve_recursive(self, place: Place, reference: str) -> Place:
        if self._num_recursive > 1:
            raise GrammarError("several parts of the schema have a recursive anchor")
        return self.resolve(place, reference)

    def _target(self, place: Place, reference: str) -> tuple[str, str]:
        base = self._base(self._pointers[place])
        if reference.startswith("#"):
            return base, unquote(reference[1:])
        resource, fragment = urldefrag(urljoin(base, reference))
        return resource, unquote(fragment)

    def _place_of_reference(self, pointer: str, reference: str) -> Place:
        try:
            return self.place(pointer)
        except LookupError:
            raise GrammarError(f"{reference!r} leads nowhere") from None

    def _base(self, pointer: str) -> str:
        """Where none is kept, it is that of the schema around."""
        while pointer not in self._bases:
            pointer = pointer.rpartition("/")[0]
        return self._bases[pointer]

    def _read_identifiers(self) -> None:
        """Only where schemas stand: an `$id` in an enum names nothing."""
        waiting = [_Found(self._root, "")]
        while waiting:
            found = waiting.pop()
            if not isinstance(found.schema, dict):
                continue
            base = found.base
            if not IDENTIFIERS.isdisjoint(found.schema):
                base = self._bases[found.pointer] = self._read_identifier(found)
            waiting += [
                _Found(inner.schema, base, found, inner.path) for inner in subschemas(found.schema)
            ]

    def _read_identifier(self, found: _Found) -> str:
        """The base URI of the schema."""
        assert isinstance(found.schema, dict)  # noqa: S101 - the caller has seen to it
        schema, base = found.schema, found.base
        if draft_of(schema, self.draft) != self.draft:
            raise GrammarError("parts of several drafts", pointer=found.pointer, keyword="$schema")
        if "$ref" in schema and self.draft <= Draft.DRAFT_7:
            return base
        for keyword in ("$id", "id") if self.draft <= Draft.DRAFT_7 else ("$id",):
            identifier = schema.get(keyword)
            if isinstance(identifier, str):
                base = self._add_resource(identifier, found)
        self._read_anchors(schema, base, found.pointer)
        return base

    def _add_resource(self, identifier: str, found: _Found) -> str:
        resource, name = urldefrag(identifier)
        if resource:
            resource = urljoin(found.base, resource)
            self._resources.setdefault(resource, found.pointer)
        else:
            resource = found.base
        if name:  # how anchors were named up to draft 7
            self._anchors.setdefault(_Anchor(resource, name), found.pointer)
        return resource

    def _read_anchors(self, schema: Mapping[str, object], base: str, pointer: str) -> None:
        for keyword in ("$anchor", "$dynamicAnchor"):
            name = schema.get(keyword)
            if isinstance(name, str):
                self._anchors.setdefault(_Anchor(base, name), pointer)
                if keyword == "$dynamicAnchor":
                    self._num_dynamic[name] = self._num_dynamic.get(name, 0) + 1
        if schema.get("$recursiveAnchor") is True:
            self._num_recursive += 1


def pointer_token(token: str) -> str:
    return "/" + token.replace("~", "~0").replace("/", "~1")


def _unescaped(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _look_up(value: object, tokens: Iterable[str]) -> object:
    """LookupError where there is nothing."""
    for token in tokens:
        if isinstance(value, list) and token.isdecimal():
            value = value[int(token)]
        elif isinstance(value, dict):
            value = value[token]
        else:
            raise LookupError(token)
    return value


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
    _bounded_objects(root)


def _bounded_objects(root: object) -> list[Mapping[str, object]]:
    """All that there are in it, once it is known to be within bounds."""
    found: list[Mapping[str, object]] = []
    waiting = [_Nested(root, 0)]
    num_values = 1
    while waiting:
        nested = waiting.pop()
        if isinstance(nested.value, CONTAINERS):
            num_values += len(nested.value)
            _check_bounds_at(nested, num_values)
            if isinstance(nested.value, dict):
                found.append(nested.value)
            waiting += _inner_containers(nested)
    return found


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
