"""States within one item of an array: all that its text so far may be, whatever it holds.

As a state of the whole grammar is, but the stacks end where the item does. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from forge_common.grammar.engine.memory import Memory, Steps, Table
from forge_common.grammar.engine.places import Place
from forge_common.grammar.engine.readers import WHITESPACE
from forge_common.grammar.engine.stacks import Reading, Stack, Stacks, Thread

STATE_BYTES = 300
THREAD_BYTES = 150


class ItemState:
    __slots__ = ("_reading", "_states", "threads")

    def __init__(self, states: ItemStates, threads: tuple[Thread, ...]) -> None:
        self._states = states
        self.threads = threads
        self._reading: Reading | None = None

    @property
    def reading(self) -> Reading:
        if self._reading is None:
            self._reading = self._states.stacks.reading(self.threads)
        return self._reading

    @property
    def is_accepting(self) -> bool:
        return self.reading.is_accepting

    def next_bytes(self) -> Iterable[int]:
        return {byte for place, _ in self.reading.threads for byte in place.next_bytes()}

    def step(self, byte: int) -> ItemState | None:
        return self._states.step(self, byte)

    def is_layout(self, byte: int) -> bool:
        """Whether the byte, white space, says nothing: it is part of no string."""
        threads = self.reading.threads
        return all(place.is_layout(byte) for place, _ in threads if place.step(byte))


class PlainState(NamedTuple):
    """An item that is written without white space from here on."""

    state: ItemState

    @property
    def is_accepting(self) -> bool:
        return self.state.is_accepting

    def next_bytes(self) -> Iterable[int]:
        return {
            byte
            for place, _ in self.state.reading.threads
            for byte in place.next_bytes()
            if byte not in WHITESPACE or not place.is_layout(byte)
        }

    def step(self, byte: int) -> PlainState | None:
        to = self.state.step(byte)
        return None if to is None else PlainState(to)


class ItemStates:
    def __init__(self, memory: Memory, steps: Steps) -> None:
        self.stacks = Stacks(memory, steps)
        self._steps = steps
        self._states: Table[frozenset[Thread], ItemState] = memory.table(
            lambda state: STATE_BYTES + len(state.threads) * THREAD_BYTES
        )
        self._by_byte: Table[tuple[ItemState, int], ItemState] = memory.table(lambda _: 0)

    def start(self, place: Place) -> ItemState:
        return self._state({place: self.stacks.bottom})

    def step(self, state: ItemState, byte: int) -> ItemState | None:
        key = (state, byte)
        found = self._by_byte.find(key)
        if found is not None:
            return found
        stacks: dict[Place, Stack] = {}
        for to, stack in self._stepped(state, byte):
            other = stacks.get(to)
            stacks[to] = stack if other is None else self.stacks.union(other, stack)
        return self._by_byte.keep(key, self._state(stacks)) if stacks else None

    def _stepped(self, state: ItemState, byte: int) -> Iterator[Thread]:
        for place, stack in state.reading.threads:
            self._steps.spend()
            to = place.step(byte)
            if to is not None:
                yield Thread(to, stack)

    def _state(self, stacks: dict[Place, Stack]) -> ItemState:
        threads = tuple(Thread(place, stack) for place, stack in stacks.items())
        key = frozenset(threads)
        found = self._states.find(key)
        return self._states.keep(key, ItemState(self, threads)) if found is None else found
