"""Object: braces, keys, colons, commas, and the machines of the values. A call's arguments too,
which have parentheses, bare keys and equals signs.

    before ─{─▶ first ──key──▶ behind key ─:─▶ value ──value──▶ behind value ─,─▶ next ──key──▶ ...
                                                                         } ──▶ end

Its plan knows what may follow what. A place is entered only if an end can be reached from it. Knows
no other rules than by their places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from string import ascii_letters
from typing import NamedTuple

from forge_common.grammar.engine.object_plans import ObjectPlan, Progress
from forge_common.grammar.engine.places import (
    LocalCall,
    LocalMoves,
    Place,
    PlaceShelf,
    Structure,
)
from forge_common.grammar.engine.text_trees import NO_TEXTS, TextTree
from forge_common.grammar.program import ObjectStyle

(COMMA,) = b","


class Phase(StrEnum):  # hashed as fast as text
    BEFORE = "before"
    FIRST = "first"
    NEXT = "next"
    BEHIND_KEY = "behind key"
    VALUE = "value"
    BEHIND_VALUE = "behind value"
    END = "end"


class Punctuation(NamedTuple):
    opening: int
    closing: int
    behind_key: int
    key_starts: bytes  # with which keys begin that no property names


PUNCTUATION: Mapping[ObjectStyle, Punctuation] = {
    "json": Punctuation(ord("{"), ord("}"), ord(":"), b'"'),
    "keywords": Punctuation(ord("("), ord(")"), ord("="), ascii_letters.encode() + b"_"),
}


class ObjectLocal(NamedTuple):
    phase: Phase
    progress: Progress
    entry: int = 0  # whose value comes: of the plan's entries
    is_spaced: bool = False
    written: TextTree = NO_TEXTS  # other keys, where these have to differ


class Entry(NamedTuple):
    """A key, or all keys of a kind, and the value behind it. An int: one of the children."""

    key: Place | int
    value: int


class Properties(NamedTuple):
    plan: ObjectPlan
    entries: Sequence[Entry]
    children: Sequence[Place | None]
    num_named: int  # of the entries: those in front
    punctuation: Punctuation

    def child(self, index: int) -> Place:
        found = self.children[index]
        if found is None:
            raise LookupError("nothing matches this child, so no entry should name it")
        return found


class ObjectMachine(Structure[ObjectLocal]):
    def __init__(self, properties: Properties, whitespace: Place | None, shelf: PlaceShelf) -> None:
        super().__init__(shelf)
        self._properties = properties
        self._plan = properties.plan
        self._opening, self._closing, self._behind_key, _ = properties.punctuation
        self._whitespace = whitespace

    @property
    def start(self) -> ObjectLocal:
        return ObjectLocal(Phase.BEFORE, Progress())

    def moves(self, local: ObjectLocal) -> LocalMoves[ObjectLocal]:
        phase, progress, entry, is_spaced, written = local
        if phase is Phase.BEFORE:
            return LocalMoves({self._opening: ObjectLocal(Phase.FIRST, progress)})
        if phase is Phase.END:
            return LocalMoves(is_accepting=True)
        if self._whitespace and not is_spaced:
            return LocalMoves(calls=(LocalCall(self._whitespace, local._replace(is_spaced=True)),))
        if phase is Phase.BEHIND_KEY:
            value_comes = ObjectLocal(Phase.VALUE, progress, entry, written=written)
            return LocalMoves({self._behind_key: value_comes})
        if phase is Phase.VALUE:
            behind = ObjectLocal(Phase.BEHIND_VALUE, progress, written=written)
            value = self._properties.child(self._properties.entries[entry].value)
            return LocalMoves(calls=(LocalCall(value, behind),))
        return self._between_properties(phase, progress, written)

    def _between_properties(
        self, phase: Phase, progress: Progress, written: TextTree
    ) -> LocalMoves[ObjectLocal]:
        edges = {}
        if phase is not Phase.NEXT and self._plan.can_close(progress):
            edges[self._closing] = ObjectLocal(Phase.END, Progress())
        if phase is Phase.BEHIND_VALUE:
            if next(self._plan.steps(progress), None):
                edges[COMMA] = ObjectLocal(Phase.NEXT, progress, written=written)
            return LocalMoves(edges)
        return LocalMoves(edges, tuple(self._keys(progress, written)))

    def _keys(self, progress: Progress, written: TextTree) -> Iterator[LocalCall[ObjectLocal]]:
        for entry, after in self._plan.steps(progress):
            key = self._properties.entries[entry].key
            place = self._properties.child(key) if isinstance(key, int) else key
            yield LocalCall(place, ObjectLocal(Phase.BEHIND_KEY, after, entry, written=written))
