"""An object whose keys all differ, those too that it does not name: it reads the latter itself.

                   ┌─▶ key place ──key──▶ ┐
    first, next ───┤                      ├──▶ behind key ─:─▶ ...
                   └─▶ a named key ─────▶ ┘

They are written in one way only, so that keys are equal where their texts are. A place of such an
object knows which have been written. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from forge_common.grammar.automata.text_counts import count_texts
from forge_common.grammar.engine.memory import Memory, Steps, Table
from forge_common.grammar.engine.object_plans import Progress
from forge_common.grammar.engine.objects import (
    Entry,
    ObjectLocal,
    ObjectMachine,
    Phase,
    Properties,
)
from forge_common.grammar.engine.places import Call, LocalCall, Moves, Place, PlaceShelf
from forge_common.grammar.engine.text_trees import MAX_TEXTS, TextTree
from forge_common.grammar.engine.unique_arrays import heads_of
from forge_common.grammar.engine.unique_texts import Heads, Reading, TextReader, UniqueTexts
from forge_common.grammar.errors import GrammarError

PLACE_BYTES = 400


class KeyHead(NamedTuple):
    """Who reads a key of one kind."""

    place: Place
    entry: int

    @property
    def is_accepting(self) -> bool:
        return self.place.is_accepting

    def next_bytes(self) -> Iterable[int]:
        return self.place.next_bytes()

    def step(self, byte: int) -> KeyHead | None:
        to = self.place.step(byte)
        return None if to is None else KeyHead(to, self.entry)


class KeyLocal(NamedTuple):
    progress: Progress  # with the key that is being read
    written: TextTree
    reading: Reading


class KeyShelf:
    """What all such objects share."""

    def __init__(self, memory: Memory, steps: Steps) -> None:
        self.texts = UniqueTexts(memory, steps)
        self.places: Table[tuple[DistinctObject, KeyLocal], KeyPlace] = memory.table(
            lambda place: PLACE_BYTES + len(place.reading.text)
        )


class DistinctObject(ObjectMachine, TextReader):
    def __init__(
        self,
        properties: Properties,
        heads: Heads,
        whitespace: Place | None,
        shelves: tuple[PlaceShelf, KeyShelf],
    ) -> None:
        """`heads` read the keys that no property names, each of one kind."""
        shelf, self._keys_shelf = shelves
        ObjectMachine.__init__(self, properties, whitespace, shelf)
        TextReader.__init__(self, self._keys_shelf.texts)
        self._heads = heads
        self._end = ObjectLocal(Phase.END, Progress())

    @property
    def key_starts(self) -> bytes:
        return self._properties.punctuation.key_starts

    @property
    def end(self) -> Place:
        return self.place(self._end)

    def key_place(self, local: KeyLocal) -> KeyPlace:
        key = (self, local)
        found = self._keys_shelf.places.find(key)
        return self._keys_shelf.places.keep(key, KeyPlace(self, local)) if found is None else found

    def behind(self, local: KeyLocal, reading: Reading) -> list[Place]:
        """Behind a key that is whole: one place for each kind it is of."""
        written = self._keys_shelf.texts.trees.added(local.written, reading.text)
        heads = [head for head in reading.heads if isinstance(head, KeyHead) and head.is_accepting]
        entries = sorted({head.entry for head in heads})
        return [self.behind_some(local._replace(written=written), entry) for entry in entries]

    def behind_some(self, local: KeyLocal, entry: int) -> Place:
        """Behind a key of a kind where it does not matter which key that is."""
        progress, written, _ = local
        return self.place(ObjectLocal(Phase.BEHIND_KEY, progress, entry, written=written))

    def _keys(self, progress: Progress, written: TextTree) -> Iterator[LocalCall[ObjectLocal]]:
        others: Progress | None = None
        for entry, after in self._plan.steps(progress):
            key = self._properties.entries[entry].key
            if entry >= self._properties.num_named:
                others = after
            elif isinstance(key, Place):
                yield LocalCall(key, ObjectLocal(Phase.BEHIND_KEY, after, entry, written=written))
        if others is not None:
            start = KeyLocal(others, written, Reading(self._heads, b"", written))
            yield LocalCall(self.key_place(start), self._end)


def key_heads(
    others: Sequence[Entry], references: Sequence[Place | int | None], num_named: int
) -> Heads:
    """Of entries that stand behind the named ones."""
    found = set()
    for index, other in enumerate(others):
        place = references[other.key] if isinstance(other.key, int) else other.key
        if not isinstance(place, Place):
            raise GrammarError("keys that have to differ must be strings")
        found |= {KeyHead(head, num_named + index) for head in heads_of(place)}
    return frozenset(found)


def most_keys(heads: Heads, limit: int | None) -> int | None:
    """No more than there are, where there are few."""
    for head in heads:  # soon enough known of one, while all at once take long
        if count_texts((head,), MAX_TEXTS + 1, Steps().spend) > MAX_TEXTS:
            return limit
    num_texts = count_texts(heads, MAX_TEXTS + 1, Steps().spend)
    if num_texts > MAX_TEXTS:
        return limit
    return num_texts if limit is None else min(num_texts, limit)


class KeyPlace(Place):
    """Within a key that no property names; what follows it is the object's."""

    __slots__ = ("_moves", "local", "machine")

    def __init__(self, machine: DistinctObject, local: KeyLocal) -> None:
        self.machine = machine
        self.local = local
        self._moves: Moves | None = None

    @property
    def reading(self) -> Reading:
        return self.local.reading

    @property
    def is_accepting(self) -> bool:
        return False

    @property
    def can_read(self) -> bool:
        return not self.calls or next(iter(self.next_bytes()), None) is not None

    @property
    def calls(self) -> tuple[Call, ...]:
        return self.moves.calls

    @property
    def moves(self) -> Moves:
        """Without the bytes of the key."""
        if self._moves is None:
            places = self.machine.behind(self.local, self.reading) if self.reading.is_whole else ()
            calls = tuple(Call(place, self.machine.end) for place in places)
            self._moves = Moves({}, calls, is_accepting=False)
        return self._moves

    def next_bytes(self) -> Iterable[int]:
        heads = self.reading.heads
        return (byte for head in heads for byte in head.next_bytes() if self.step(byte))

    def step(self, byte: int) -> Place | None:
        following = self.machine.read(self.reading, byte)
        return following and self.machine.key_place(self.local._replace(reading=following))
