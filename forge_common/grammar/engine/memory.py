"""What questions may cost: steps, and bytes for everything that is cached, in two generations.

    find ──▶ young ──miss──▶ old ──miss──▶ worked out again, kept in young
               ▲  found in old: moved up  │
               └──────────────────────────┘      once young holds half the budget, it is the old one

What was not asked for during a whole generation is gone. Whoever still holds it may go on using it:
nothing here is referred to by number. Knows nothing of what it holds but its size.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from forge_common.grammar.errors import GrammarTooLarge

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

ENTRY_BYTES = 250  # a key of two objects, and its place in a dictionary
MAX_STEPS = 500_000
FEW_STEPS = 10_000
STEPS_A_LOOK = 256


class Memory:
    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.steps = Steps()
        self.num_agings = 0
        self._young_bytes = 0
        self._old_bytes = 0
        self._tables: list[Table[Any, Any]] = []

    @property
    def num_bytes(self) -> int:
        return self._young_bytes + self._old_bytes

    def table(self, size_of: Callable[[Value], int]) -> Table[Any, Value]:
        """`size_of` says how many bytes a value takes, without what other tables hold of it."""
        table: Table[Any, Value] = Table(self, size_of)
        self._tables.append(table)
        return table

    def charge(self, num_bytes: int) -> None:
        self._young_bytes += num_bytes
        if self._young_bytes > self.max_bytes // 2:
            self._old_bytes, self._young_bytes = self._young_bytes, 0
            self.num_agings += 1
            for table in self._tables:
                table.age()


class Table(Generic[Key, Value]):
    """Part of a Memory: a dictionary that may forget."""

    def __init__(self, memory: Memory, size_of: Callable[[Value], int]) -> None:
        self._memory = memory
        self._size_of = size_of
        self._young: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}

    def find(self, key: Key) -> Value | None:
        found = self._young.get(key)
        if found is None and self._old:
            found = self._old.pop(key, None)
            if found is not None:
                self.keep(key, found)
        return found

    def keep(self, key: Key, value: Value) -> Value:
        self._young[key] = value
        self._memory.charge(self._size_of(value) + ENTRY_BYTES)
        return value

    def age(self) -> None:
        self._old, self._young = self._young, {}


class Steps:
    """What one question may cost: the request that asks too much ends, and no other.

    Steps, not seconds, so that the same grammar is refused on every machine; one is about 2 µs.
    Every few of them `look` is called, on the thread that asks. It may raise, or let others ask
    meanwhile: all that is shared is whole there, and how far this question is stays its own.
    """

    def __init__(self, max_steps: int = MAX_STEPS) -> None:
        self.look: Callable[[], None] = _look_at_nothing
        self._max_steps = max_steps
        self._num_left = 0  # before the next look
        self._num_behind = max_steps  # behind it

    def begin(self) -> None:
        self._hand_out(self._max_steps)

    def begin_few(self) -> None:
        """A question whose answer is worth little."""
        self._hand_out(min(FEW_STEPS, self._max_steps))

    def spend(self, num_steps: int = 1) -> None:
        self._num_left -= num_steps
        if self._num_left < 0:
            self._look()

    def _look(self) -> None:
        num_left = self._num_behind + self._num_left
        if num_left < 0:
            raise GrammarTooLarge("working this out takes too long")
        self.look()
        self._hand_out(num_left)

    def _hand_out(self, num_steps: int) -> None:
        self._num_left = min(STEPS_A_LOOK, num_steps)
        self._num_behind = num_steps - self._num_left


def _look_at_nothing() -> None:
    """As long as nobody else waits."""
