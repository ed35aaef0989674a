"""Document: one schema with its parts, each a place with a JSON pointer, and what refers to what.

Bounded in size and depth before anything else looks at it. References stay within the document,
by pointer, by anchor or by the `$id` of a part; whatever lies outside is refused. Knows nothing of
what keywords mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from forge_common.grammar.errors import GrammarError
from forge_common.grammar.schema.addresses import (
    Address,
    address,
    look_up,
    pointer_token,
    pointer_tokens,
)
from forge_common.grammar.schema.bounds import bounded_objects
from forge_common.grammar.schema.keywords import (
    Draft,
    draft_of,
    known_keywords,
    subschemas,
)

IDENTIFIERS = frozenset(
    {"$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$schema"}
)  # what `_read_identifier` looks at

Place = int  # of a schema within its document
FALSE_PLACE = 0  # the schema `false`, which stands nowhere


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
        objects = bounded_objects(root)
        self._root = root
        self.draft = draft_of(root, Draft.DRAFT_2020)
        self._resources = {"": ""}  # URI -> pointer
        self._anchors: dict[Address, str] = {}
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

    def known(self, schema: Mapping[str, object]) -> Mapping[str, object]:
        """The same of one whose place need not be known."""
        return known_keywords(schema, self.draft)

    def place(self, pointer: str) -> Place:
        place = self._places.get(pointer)
        if place is None:
            place = self._add_place(pointer, look_up(self._root, pointer_tokens(pointer)))
        return place

    def child(self, place: Place, *path: str) -> Place:
        pointer = self._pointers[place] + "".join(map(pointer_token, path))
        child = self._places.get(pointer)
        if child is None:
            child = self._add_place(pointer, look_up(self._schemas[place], path))
        return child

    def _add_place(self, pointer: str, schema: object) -> Place:
        if not isinstance(schema, dict | bool):
            raise GrammarError("not a schema", pointer=pointer)
        place = self._places[pointer] = len(self._schemas)
        self._schemas.append(schema)
        self._known.append(schema if isinstance(schema, bool) else self.known(schema))
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
        pointer = self._anchors.get(Address(resource, fragment))
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

    def _target(self, place: Place, reference: str) -> Address:
        return address(self._base(self._pointers[place]), reference)

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
                base = self._bases[found.pointer] = self._read_identifier(found, found.schema)
            waiting += [
                _Found(inner.schema, base, found, inner.path) for inner in subschemas(found.schema)
            ]

    def _read_identifier(self, found: _Found, schema: Mapping[str, object]) -> str:
        """The base URI of the schema."""
        base = found.base
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
        try:
            resource, name = address(found.base, identifier)
        except GrammarError as error:
            raise error.located(found.pointer, "$id") from error
        if not identifier.startswith("#"):
            self._resources.setdefault(resource, found.pointer)
        if name:  # how anchors were named up to draft 7
            self._anchors.setdefault(Address(resource, name), found.pointer)
        return resource

    def _read_anchors(self, schema: Mapping[str, object], base: str, pointer: str) -> None:
        for keyword in ("$anchor", "$dynamicAnchor"):
            name = schema.get(keyword)
            if isinstance(name, str):
                self._anchors.setdefault(Address(base, name), pointer)
                if keyword == "$dynamicAnchor":
                    self._num_dynamic[name] = self._num_dynamic.get(name, 0) + 1
        if schema.get("$recursiveAnchor") is True:
            self._num_recursive += 1
