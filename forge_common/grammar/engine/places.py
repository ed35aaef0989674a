"""Places: where the machine of a rule stands. It reads a byte, or calls other machines.

    ReadingPlace     reads bytes by itself: literals, numbers, strings, white space
    StructurePlace   reads brackets and commas, and calls the machines of other rules

Places are values that know what follows; equal ones are one object for as long as they are cached.
Knows no tokens and no stacks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from forge_common.grammar.engine.memory import Memory, Table

PLACE_BYTES = 160
EDGE_BYTES = 100
CALL_BYTES = 160


class Place(ABC):
    __slots__ = ()

    @property
    @abstractmethod
    def is_accepting(self) -> bool:
        """Whether the rule may end here, with nothing more read."""

    @property
    @abstractmethod
    def can_read(self) -> bool:
        """Whether there are bytes that the machine itself reads here."""

    @property
    @abstractmethod
    def calls(self) -> tuple[Call, ...]: ...

    @property
    def is_end(self) -> bool:
        """Whether all that is left is to go back to the caller."""
        return self.is_accepting and not self.can_read and not self.calls

    @abstractmethod
    def next_bytes(self) -> Iterable[int]: ...

    @abstractmethod
    def step(self, byte: int) -> Place | None: ...

    def is_layout(self, byte: int) -> bool:
        """Whether a byte that may come, white space, would say nothing of the value."""
        return False

    def near(self, num_bytes: int) -> Place:
        """A place from which the next `num_bytes` may be the same: counts that are far are lost."""
        return self


class Call(NamedTuple):
    """Another machine runs first, and then it goes on at `back`."""

    callee: Place
    back: Place
    must_read: bool = False  # nothing is gained by a callee that ends where it starts


class ReadingPlace(Place):
    __slots__ = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        return ()


Local = TypeVar("Local", bound=Hashable)


class LocalCall(NamedTuple, Generic[Local]):
    callee: Place
    back: Local
    must_read: bool = False


class LocalMoves(NamedTuple, Generic[Local]):
    """What a structure may do at one of its places; `is_accepting` counts empty calls in."""

    edges: Mapping[int, Local] = {}
    calls: tuple[LocalCall[Local], ...] = ()
    is_accepting: bool = False


class Structure(ABC, Generic[Local]):
    """A machine that calls others. `Local` says where it stands: a hashable value."""

    def __init__(self, shelf: PlaceShelf) -> None:
        self._shelf = shelf

    @property
    @abstractmethod
    def start(self) -> Local: ...

    @abstractmethod
    def moves(self, local: Local) -> LocalMoves[Local]: ...

    def near(self, local: Local, num_bytes: int) -> Local:
        return local

    def place(self, local: Local) -> StructurePlace[Local]:
        return self._shelf.structure_place(self, local)

    def moves_at(self, place: StructurePlace[Local]) -> Moves:
        """Kept on the shelf, not at the place: one place must not hold all that ever followed."""
        found = self._shelf.moves.find(place)
        return self._shelf.moves.keep(place, self._expand(place.local)) if found is None else found

    def _expand(self, local: Local) -> Moves:
        edges, calls, is_accepting = self.moves(local)
        return Moves(
            {byte: self.place(to) for byte, to in edges.items()},
            tuple(Call(call.callee, self.place(call.back), call.must_read) for call in calls),
            is_accepting,
        )


class Moves(NamedTuple):
    edges: Mapping[int, Place]
    calls: tuple[Call, ...]
    is_accepting: bool


class StructurePlace(Place, Generic[Local]):
    __slots__ = ("_machine", "local")

    def __init__(self, machine: Structure[Local], local: Local) -> None:
        self._machine = machine
        self.local = local

    @property
    def moves(self) -> Moves:
        return self._machine.moves_at(self)

    @property
    def is_accepting(self) -> bool:
        return self.moves.is_accepting

    @property
    def can_read(self) -> bool:
        return bool(self.moves.edges)

    @property
    def calls(self) -> tuple[Call, ...]:
        return self.moves.calls

    def next_bytes(self) -> Iterable[int]:
        return self.moves.edges

    def step(self, byte: int) -> Place | None:
        return self.moves.edges.get(byte)

    def near(self, num_bytes: int) -> Place:
        return self._machine.place(self._machine.near(self.local, num_bytes))


class PlaceShelf:
    """Places by machine and where it stands, and their moves, as long as the memory holds them."""

    def __init__(self, memory: Memory) -> None:
        self.places: Table[tuple[Hashable, Hashable], Place] = memory.table(lambda _: PLACE_BYTES)
        self.moves: Table[Place, Moves] = memory.table(_size_of_moves)

    def structure_place(self, machine: Structure[Local], local: Local) -> StructurePlace[Local]:
        key = (machine, local)
        found = self.places.find(key)
        if not isinstance(found, StructurePlace):
            found = StructurePlace(machine, local)
            self.places.keep(key, found)
        return found


def _size_of_moves(moves: Moves) -> int:
    return len(moves.edges) * EDGE_BYTES + len(moves.calls) * CALL_BYTES
