"""Which properties of an object may follow which, such that an end can be reached.

Properties are known by number: 0 to `num_named - 1` are the named ones, and those behind them stand
for all keys of a kind. Knows no keys, no values and no bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple


class Progress(NamedTuple):
    seen: int = 0  # the position where they come in order, else a bit for each that has been
    num_properties: int = 0  # no further than anything depends on it
    num_others: int = 0  # only where their number is limited


class Counts(NamedTuple):
    num_others: int  # kinds of keys that no property names
    min_properties: int
    max_properties: int | None
    max_others: int | None = None


class Left(NamedTuple):
    num_required: int
    num_named: int


class Step(NamedTuple):
    entry: int
    after: Progress


class ObjectPlan(ABC):
    def __init__(self, is_required: Sequence[bool], counts: Counts) -> None:
        self._is_required = is_required
        self._num_named = len(is_required)
        self._counts = counts

    def can_finish(self, progress: Progress) -> bool:
        left, num_properties = self._left(progress.seen), progress.num_properties
        kinds_of_others, fewest, most, max_others = self._counts
        if most is not None and max(num_properties + left.num_required, fewest) > most:
            return False
        if kinds_of_others and max_others is None:
            return True
        others_left = max_others - progress.num_others if kinds_of_others and max_others else 0
        return num_properties + left.num_named + others_left >= fewest

    def can_close(self, progress: Progress) -> bool:
        is_enough = progress.num_properties >= self._counts.min_properties
        return is_enough and self._left(progress.seen).num_required == 0

    def steps(self, progress: Progress) -> Iterator[Step]:
        """What may come next."""
        num_properties = self._count_one(progress.num_properties)
        for entry, seen in self._next_named(progress.seen):
            after = Progress(seen, num_properties, progress.num_others)
            if self.can_finish(after):
                yield Step(entry, after)
        num_others = self._count_other(progress.num_others)
        if num_others is None:
            return
        for entry, seen in self._next_others(progress.seen):
            after = Progress(seen, num_properties, num_others)
            if self.can_finish(after):
                yield Step(entry, after)

    def _count_one(self, num_properties: int) -> int:
        _, fewest, most, _ = self._counts
        return min(num_properties + 1, fewest) if most is None else num_properties + 1

    def _count_other(self, num_others: int) -> int | None:
        """With one more; None where there may not be one."""
        limit = self._counts.max_others
        if limit is None:
            return 0
        return num_others + 1 if num_others < limit else None

    def _others_with(self, seen: int) -> Iterator[tuple[int, int]]:
        return ((self._num_named + index, seen) for index in range(self._counts.num_others))

    @abstractmethod
    def _left(self, seen: int) -> Left: ...

    @abstractmethod
    def _next_named(self, seen: int) -> Iterable[tuple[int, int]]:
        """Properties, and `seen` behind each."""

    @abstractmethod
    def _next_others(self, seen: int) -> Iterable[tuple[int, int]]: ...


class OrderedPlan(ObjectPlan):
    """Named properties in their order, all others behind them."""

    def __init__(self, is_required: Sequence[bool], counts: Counts) -> None:
        super().__init__(is_required, counts)
        self._num_required_from = [*accumulate(reversed(is_required), initial=0)][::-1]

    def _left(self, seen: int) -> Left:
        return Left(self._num_required_from[seen], self._num_named - seen)

    def _next_named(self, seen: int) -> Iterator[tuple[int, int]]:
        """None can be left out from a required one on."""
        for index in range(seen, self._num_named):
            yield index, index + 1
            if self._is_required[index]:
                return

    def _next_others(self, seen: int) -> Iterable[tuple[int, int]]:
        return () if self._num_required_from[seen] else self._others_with(self._num_named)


class UnorderedPlan(ObjectPlan):
    def __init__(self, is_required: Sequence[bool], counts: Counts) -> None:
        super().__init__(is_required, counts)
        self._required_bits = sum(1 << i for i, is_one in enumerate(is_required) if is_one)

    def _left(self, seen: int) -> Left:
        num_required = (self._required_bits & ~seen).bit_count()
        return Left(num_required, self._num_named - seen.bit_count())

    def _next_named(self, seen: int) -> Iterator[tuple[int, int]]:
        for index in range(self._num_named):
            if not seen >> index & 1:
                yield index, seen | 1 << index

    def _next_others(self, seen: int) -> Iterable[tuple[int, int]]:
        return self._others_with(seen)
