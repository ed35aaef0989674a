"""How many texts there are, counted only as far as is asked.

Byte by byte: ways that differ stay different, and each can be finished, so as many ways as are open
are texts at least. Texts without end are soon enough for any question. Knows nothing of what reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple, Protocol

from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.automata.json_text import QuotedText


class Run(Hashable, Protocol):
    """Where something stands that reads bytes and can always be finished."""

    @property
    def is_accepting(self) -> bool: ...

    def next_bytes(self) -> Iterable[int]: ...

    def step(self, byte: int) -> Run | None: ...


def count_texts(
    runs: Iterable[Run], limit: int, spend: Callable[[int], None] = lambda _: None
) -> int:
    """Texts that any of the runs finishes, or `limit` where there are as many or more."""
    num_texts = 0
    level = Counter({frozenset(runs): 1})
    while level and num_texts < limit:
        following: Counter[frozenset[Run]] = Counter()
        for together, num_ways in level.items():
            num_texts += num_ways * any(run.is_accepting for run in together)
            for byte in _next_bytes(together):
                following[frozenset(_step(together, byte))] += num_ways
                spend(1)
                if num_texts + following.total() >= limit:
                    return limit
        level = following
    return min(num_texts, limit)


def _next_bytes(together: frozenset[Run]) -> Iterable[int]:
    if len(together) == 1:
        return next(iter(together)).next_bytes()
    return {byte for run in together for byte in run.next_bytes()}


def _step(together: frozenset[Run], byte: int) -> Iterable[Run]:
    return (to for run in together if (to := run.step(byte)) is not None)


class PlainRun(NamedTuple):
    """What an automaton reads."""

    automaton: ByteAutomaton
    state: int

    @classmethod
    def start(cls, automaton: ByteAutomaton) -> PlainRun:
        return cls(automaton, automaton.start)

    @property
    def is_accepting(self) -> bool:
        return self.automaton.is_accepting(self.state)

    def next_bytes(self) -> Iterable[int]:
        return self.automaton.row(self.state)

    def step(self, byte: int) -> PlainRun | None:
        to = self.automaton.row(self.state).get(byte)
        return None if to is None else PlainRun(self.automaton, to)


class StringRun(NamedTuple):
    """A JSON string of bounded length, as an automaton that does not count reads it."""

    automaton: QuotedText
    state: int
    min_left: int
    max_left: int | None

    @property
    def is_accepting(self) -> bool:
        return self.min_left <= 0 and self.automaton.is_accepting(self.state)

    def next_bytes(self) -> Iterable[int]:
        return (byte for byte in self.automaton.row(self.state) if self.step(byte))

    def step(self, byte: int) -> StringRun | None:
        to = self.automaton.row(self.state).get(byte)
        if to is None:
            return None
        is_whole = self.state != self.automaton.start and self.automaton.ends_character(to)
        least = max(self.min_left - is_whole, 0)
        most = None if self.max_left is None else self.max_left - is_whole
        fits = most is None or most >= 0
        if fits and (least or most is not None):
            fits = self.automaton.can_finish(to, least, most)
        return StringRun(self.automaton, to, least, most) if fits else None
