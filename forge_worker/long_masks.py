"""LongMasks: masks that are worked out a slice of time at a time, over several steps.

By place in a grammar: what several rows ask is worked out once, in the time of the first. There are
only so many, since each may hold much memory; a row that costs little may take the place of one
that cost far more. Knows no time but what rows owe.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from forge_worker.followed_grammar import FollowedGrammar
from forge_worker.grammar_budget import Pace
from forge_worker.sampler.grammar_mask import MaskWords
from forge_worker.time_slices import LongWork, TimeSlices


class _Long(NamedTuple):
    row: int  # whose time they are
    work: LongWork[MaskWords]


class LongMasks:
    """`debt_s` says what a row has cost beyond what its tokens were good for."""

    def __init__(self, slices: TimeSlices, pace: Pace, debt_s: Callable[[int], float]) -> None:
        self._slices = slices
        self._pace = pace
        self._debt_s = debt_s
        self._by_place: dict[bytes, _Long] = {}

    def work_for(self, row: int, grammar: FollowedGrammar) -> LongWork[MaskWords] | None:
        """None where another row has it worked out already, or there is no place for it."""
        if grammar.place not in self._by_place:
            if not self._has_place(row):
                return None
            self._by_place[grammar.place] = _Long(row, LongWork(grammar.mask))
        owner, work = self._by_place[grammar.place]
        return work if owner == row else None

    def finish(self, place: bytes) -> None:
        """It is worked out."""
        del self._by_place[place]

    def drop_of(self, row: int) -> None:
        for place in [place for place, long in self._by_place.items() if long.row == row]:
            self._drop(place)

    def _has_place(self, row: int) -> bool:
        """If need be that of one which cost far more already: it will begin anew."""
        if len(self._by_place) < self._pace.max_long:
            return True
        most = max(self._by_place, key=lambda place: self._debt_s(self._by_place[place].row))
        is_less = self._debt_s(row) < self._pace.cheap_s
        if is_less and self._debt_s(self._by_place[most].row) > self._pace.costly_s:
            self._drop(most)
            return True
        return False

    def _drop(self, place: bytes) -> None:
        self._slices.drop(self._by_place.pop(place).work)
