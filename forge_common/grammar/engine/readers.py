"""Machines that read bytes by themselves, by a ByteAutomaton: literals, text, numbers, strings.

A string with lengths counts code points in its places, not in its automaton: how many it still
needs, and how many it may still have. Knows no other rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from forge_common.grammar.automata.byte_automaton import ByteAutomaton, Row
from forge_common.grammar.automata.json_text import QuotedText
from forge_common.grammar.engine.dense_rows import DenseRows
from forge_common.grammar.engine.lengths import Lengths, Room
from forge_common.grammar.engine.memory import Memory
from forge_common.grammar.engine.places import Place, PlaceShelf, ReadingPlace

ANY_ROOM = Room()
MAX_WHITESPACE = 64
WHITESPACE = b" \t\n\r"


class Reader:
    """An automaton at work, and what the walks of all its places share."""

    def __init__(self, automaton: ByteAutomaton, shelf: PlaceShelf, memory: Memory) -> None:
        self.automaton = automaton
        self._memory = memory
        self._shelf = shelf

    @cached_property
    def rows(self) -> DenseRows:
        return DenseRows(self.automaton, self._memory)

    def place(self, state: int) -> Place:
        found = self._shelf.places.find((self, state))
        return (
            self._shelf.places.keep((self, state), ReaderPlace(self, state))
            if found is None
            else found
        )


class AutomatonPlace(ReadingPlace):
    """Somewhere in a reader's automaton."""

    __slots__ = ("reader", "state")

    def __init__(self, reader: Reader, state: int) -> None:
        self.reader = reader
        self.state = state

    @property
    def is_accepting(self) -> bool:
        return self.reader.automaton.is_accepting(self.state)

    @property
    def can_read(self) -> bool:
        return bool(self.reader.automaton.row(self.state))


class ReaderPlace(AutomatonPlace):
    __slots__ = ()

    def is_layout(self, byte: int) -> bool:
        return isinstance(self.reader.automaton, WhitespaceRun)

    def next_bytes(self) -> Iterable[int]:
        return self.reader.automaton.row(self.state)

    def step(self, byte: int) -> Place | None:
        to = self.reader.automaton.row(self.state).get(byte)
        return None if to is None else self.reader.place(to)


class CountedReader(Reader):
    """A string whose code points are counted."""

    def __init__(
        self,
        automaton: QuotedText,
        shelf: PlaceShelf,
        memory: Memory,
        free: CountedReader | None = None,
    ) -> None:
        """`free` reads what this one reads once it may read anything."""
        super().__init__(automaton, shelf, memory)
        self.free_state = automaton.free_state
        self.lengths = Lengths(automaton)
        self._free = free

    def counted_place(self, state: int, room: Room) -> Place:
        if self._free and self._free.free_state is not None and state == self.free_state:
            return self._free.counted_place(self._free.free_state, room)
        key = (self, (state, room))
        found = self._shelf.places.find(key)
        if found is None:
            found = self._shelf.places.keep(key, CountedPlace(self, state, room))
        return found

    def start_place(self, room: Room) -> Place | None:
        """None where no string of the language has such a length."""
        start = self.automaton.start
        if self.automaton.is_empty:
            return None
        if room != ANY_ROOM and not self.lengths.can_finish(start, room):
            return None
        return self.counted_place(start, room)


class CountedPlace(AutomatonPlace):
    __slots__ = ("room",)

    reader: CountedReader

    def __init__(self, reader: CountedReader, state: int, room: Room) -> None:
        super().__init__(reader, state)
        self.room = room

    def next_bytes(self) -> Iterable[int]:
        return (byte for byte in self.reader.automaton.row(self.state) if self.step(byte))

    def step(self, byte: int) -> Place | None:
        to = self.reader.automaton.row(self.state).get(byte)
        if to is None:
            return None
        if self.room == ANY_ROOM:
            return self.reader.counted_place(to, ANY_ROOM)
        room = self.room.after(self.reader.lengths.characters_into(self.state, to))
        if not self.reader.lengths.can_finish(to, room):
            return None
        return self.reader.counted_place(to, room)

    def near(self, num_bytes: int) -> Place:
        if self.room == ANY_ROOM:
            return self
        room = self.reader.lengths.near(self.room, num_bytes)
        return self if room == self.room else self.reader.counted_place(self.state, room)


class WhitespaceRun(ByteAutomaton):
    """At most MAX_WHITESPACE of the bytes that JSON allows between its tokens; the state counts."""

    @property
    def start(self) -> int:
        return 0

    @property
    def num_states(self) -> int:
        return MAX_WHITESPACE + 1

    @property
    def num_bytes(self) -> int:
        return 0

    def row(self, state: int) -> Row:
        return dict.fromkeys(WHITESPACE, state + 1) if state < MAX_WHITESPACE else {}

    def is_accepting(self, state: int) -> bool:
        return True

    def ends_character(self, state: int) -> bool:
        return True
