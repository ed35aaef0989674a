"""Laps: what a request spent its time on before it was submitted, one after the other.

In seconds of perf_counter. Knows nothing of what is timed.
"""

from __future__ import annotations

from collections.abc import Awaitable
from time import perf_counter
from typing import Literal, NamedTuple, TypeVar

ResultT = TypeVar("ResultT")
LapName = Literal["template", "tokenize", "grammar"]


class Lap(NamedTuple):
    name: LapName
    started: float
    ended: float


class Laps:
    def __init__(self) -> None:
        self._taken: list[Lap] = []

    @property
    def taken(self) -> tuple[Lap, ...]:
        return tuple(self._taken)

    async def time(self, name: LapName, work: Awaitable[ResultT]) -> ResultT:
        started = perf_counter()
        result = await work
        self._taken.append(Lap(name, started, perf_counter()))
        return result
