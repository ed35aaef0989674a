"""Choice, Sequence and Repeat: machines that only call others.

What they call may come to be known only after they are made, since rules may form circles.

A place in a Sequence is the number of parts behind it; in a Repeat it is how many times the part
must and may still come. Knows no JSON.
"""

from __future__ import annotations

from collections.abc import Sequence as Many
from enum import StrEnum
from typing import NamedTuple

from forge_common.grammar.engine.places import (
    LocalCall,
    LocalMoves,
    Place,
    PlaceShelf,
    Structure,
)


class ChoiceLocal(StrEnum):  # hashed as fast as text
    BEFORE = "before"
    BEHIND = "behind"


class ChoiceMachine(Structure[ChoiceLocal]):
    def __init__(
        self, alternatives: Many[Place | None], is_nullable: bool, shelf: PlaceShelf
    ) -> None:
        super().__init__(shelf)
        self._alternatives = alternatives
        self._is_nullable = is_nullable

    @property
    def start(self) -> ChoiceLocal:
        return ChoiceLocal.BEFORE

    def moves(self, local: ChoiceLocal) -> LocalMoves[ChoiceLocal]:
        if local is ChoiceLocal.BEHIND:
            return LocalMoves(is_accepting=True)
        calls = (LocalCall(place, ChoiceLocal.BEHIND) for place in self._alternatives if place)
        return LocalMoves(calls=tuple(calls), is_accepting=self._is_nullable)


class SequenceMachine(Structure[int]):
    def __init__(
        self, parts: Many[Place | None], are_nullable: Many[bool], shelf: PlaceShelf
    ) -> None:
        super().__init__(shelf)
        self._parts = parts
        self._first_of_nullable_tail = len(are_nullable)
        while self._first_of_nullable_tail and are_nullable[self._first_of_nullable_tail - 1]:
            self._first_of_nullable_tail -= 1

    @property
    def start(self) -> int:
        return 0

    def moves(self, local: int) -> LocalMoves[int]:
        part = self._parts[local] if local < len(self._parts) else None
        calls = (LocalCall(part, local + 1),) if part else ()
        return LocalMoves(calls=calls, is_accepting=local >= self._first_of_nullable_tail)


class Times(NamedTuple):
    min_left: int
    max_left: int | None


class RepeatMachine(Structure[Times]):
    """Of a part that may be empty nothing is counted but what it reads, and none of it is needed:
    the empty ones can always make up for it."""

    def __init__(
        self, parts: Many[Place | None], is_part_nullable: bool, times: Times, shelf: PlaceShelf
    ) -> None:
        super().__init__(shelf)
        self._parts = parts  # the one, or None where nothing matches it
        self._is_part_nullable = is_part_nullable
        self._times = Times(0, times.max_left) if is_part_nullable else times

    @property
    def start(self) -> Times:
        return self._times

    def moves(self, local: Times) -> LocalMoves[Times]:
        min_left, max_left = local
        most = None if max_left is None else max_left - 1
        back = Times(max(min_left - 1, 0), most)
        calls = [LocalCall(part, back, self._is_part_nullable) for part in self._parts if part]
        return LocalMoves(calls=tuple(calls) if max_left != 0 else (), is_accepting=min_left == 0)

    def near(self, local: Times, num_bytes: int) -> Times:
        """Each time reads a byte at least."""
        min_left, max_left = local
        is_far = max_left is None or max_left >= num_bytes
        return Times(min(min_left, num_bytes), None if is_far else max_left)
