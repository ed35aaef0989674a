"""Array: brackets, commas, and the machines of the items.

    before ─[─▶ first ──item──▶ behind item ─,─▶ next ──item──▶ behind item     ] ──▶ end

A place says how many items there are, and how many of them `contains` counts. It is entered only
if an end can be reached from it. Knows no other rules than by their places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from forge_common.grammar.engine.places import (
    LocalCall,
    LocalMoves,
    Place,
    PlaceShelf,
    Structure,
)
from forge_common.grammar.program import Array, Contains, Item

ANY_NUMBER = Contains(min_count=0)
OPEN, CLOSE, COMMA = b"[],"


class Phase(StrEnum):  # hashed as fast as text
    BEFORE = "before"
    FIRST = "first"
    NEXT = "next"
    BEHIND_ITEM = "behind item"
    END = "end"


class Progress(NamedTuple):
    position: int  # in the prefix; its length stands for all of the rest
    min_left: int
    max_left: int | None
    num_matching: int = 0


class ArrayLocal(NamedTuple):
    phase: Phase
    progress: Progress
    is_spaced: bool = False  # white space has been here


class PlaceKind(NamedTuple):
    """What may stand at a place: values that are counted, values that are not."""

    has_other: bool
    has_matching: bool

    @property
    def must_match(self) -> bool:
        return not self.has_other


class ArrayPlan:
    """Which numbers of items lead to an end. Knows of items only whether anything matches them."""

    def __init__(self, rule: Array, prefix: Sequence[PlaceKind], rest: PlaceKind) -> None:
        self.contains = rule.contains or ANY_NUMBER
        self._prefix = prefix
        self._rest = rest
        longest = _longest(rule, prefix, rest)
        self.start = Progress(0, rule.min_items, longest)

    def kind_at(self, progress: Progress) -> PlaceKind:
        is_prefix = progress.position < len(self._prefix)
        return self._prefix[progress.position] if is_prefix else self._rest

    def can_close(self, progress: Progress) -> bool:
        return progress.min_left == 0 and progress.num_matching >= self.contains.min_count

    def after_item(self, progress: Progress, is_matching: bool) -> Progress:
        position, min_left, max_left, num_matching = progress
        least, most = self.contains.min_count, self.contains.max_count
        num_matching += is_matching
        if most is None:
            num_matching = min(num_matching, least)
        return Progress(
            min(position + 1, len(self._prefix)),
            max(min_left - 1, 0),
            None if max_left is None else max_left - 1,
            num_matching,
        )

    def can_finish(self, progress: Progress) -> bool:
        """Some number of further items has values that count right."""
        position, min_left, max_left, num_matching = progress
        if max_left is not None and min_left > max_left:
            return False
        fewest = most = num_matching
        for num_items, kind in enumerate(self._prefix[position:]):
            if num_items >= min_left and self._counts_right(fewest, most):
                return True
            if num_items == max_left:
                return False
            fewest += kind.must_match
            most += kind.has_matching
        num_prefix = len(self._prefix) - position
        num_left = None if max_left is None else max_left - num_prefix
        return self._rest_counts_right(fewest, most, max(min_left - num_prefix, 0), num_left)

    def _counts_right(self, fewest: int, most: int) -> bool:
        limit = self.contains.max_count
        return most >= self.contains.min_count and (limit is None or fewest <= limit)

    def _rest_counts_right(
        self, fewest: int, most: int, min_left: int, max_left: int | None
    ) -> bool:
        """As many further items as are needed to count enough, all alike."""
        num_items = min_left
        if self._rest.has_matching:
            num_items = max(num_items, self.contains.min_count - most)
        if max_left is not None and num_items > max_left:
            num_items = max_left
        return self._counts_right(
            fewest + num_items * self._rest.must_match, most + num_items * self._rest.has_matching
        )


class ArrayMachine(Structure[ArrayLocal]):
    def __init__(
        self,
        rule: Array,
        plan: ArrayPlan,
        children: Sequence[Place | None],
        whitespace: Place | None,
        shelf: PlaceShelf,
    ) -> None:
        """`rule` names its items by their index in `children`."""
        super().__init__(shelf)
        self._rule = rule
        self._plan = plan
        self._children = children
        self._whitespace = whitespace

    @property
    def start(self) -> ArrayLocal:
        return ArrayLocal(Phase.BEFORE, self._plan.start)

    def moves(self, local: ArrayLocal) -> LocalMoves[ArrayLocal]:
        phase, progress, is_spaced = local
        if phase is Phase.BEFORE:
            return LocalMoves({OPEN: ArrayLocal(Phase.FIRST, progress)})
        if phase is Phase.END:
            return LocalMoves(is_accepting=True)
        if self._whitespace and not is_spaced:
            return LocalMoves(calls=(LocalCall(self._whitespace, local._replace(is_spaced=True)),))
        edges = {}
        if phase is not Phase.NEXT and self._plan.can_close(progress):
            edges[CLOSE] = ArrayLocal(Phase.END, self._plan.start)
        if phase is not Phase.BEHIND_ITEM:
            return LocalMoves(edges, tuple(self._items(progress)))
        if any(True for _ in self._items(progress)):
            edges[COMMA] = ArrayLocal(Phase.NEXT, progress)
        return LocalMoves(edges)

    def near(self, local: ArrayLocal, num_bytes: int) -> ArrayLocal:
        """Each item is a byte at least."""
        progress = local.progress
        if self._rule.contains:
            return local
        is_far = progress.max_left is None or progress.max_left >= num_bytes
        nearer = progress._replace(
            min_left=min(progress.min_left, num_bytes),
            max_left=None if is_far else progress.max_left,
        )
        return local._replace(progress=nearer)

    def _items(self, progress: Progress) -> Iterator[LocalCall[ArrayLocal]]:
        if progress.max_left == 0:
            return
        item = self._item_at(progress.position)
        for index, is_matching in ((item.other, False), (item.matching, True)):
            place = None if index is None else self._children[index]
            after = self._plan.after_item(progress, is_matching)
            if place and self._plan.can_finish(after):
                yield LocalCall(place, ArrayLocal(Phase.BEHIND_ITEM, after))

    def _item_at(self, position: int) -> Item:
        if position < len(self._rule.prefix):
            return self._rule.prefix[position]
        return self._rule.rest or Item()


def _longest(rule: Array, prefix: Sequence[PlaceKind], rest: PlaceKind) -> int | None:
    """An array ends before the first place where nothing may stand."""
    longest = rule.max_items
    kinds = (*prefix, rest)
    for position, kind in enumerate(kinds):
        if not kind.has_other and not kind.has_matching:
            longest = position if longest is None else min(longest, position)
            break
    return longest
