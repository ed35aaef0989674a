"""An array whose items are all different: it reads them itself, and remembers their texts.

    before ─[─▶ first ──item──▶ item ─,─▶ next ──item──▶ item     ] ──▶ end
                                  (white space) ▶ behind item ─, or ]─▶

Its items are scalars, each written in one way only, so that items are equal where their texts are.
A place knows the texts so far, what has been read of an item, and where that stands in the texts.
An item is followed only while it can become one that is not there yet. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from forge_common.grammar.automata.literals import LiteralTexts
from forge_common.grammar.automata.text_counts import count_texts
from forge_common.grammar.engine.item_states import ItemStates
from forge_common.grammar.engine.memory import Memory, Steps, Table
from forge_common.grammar.engine.places import Call, Moves, Place, ReadingPlace
from forge_common.grammar.engine.readers import ReaderPlace
from forge_common.grammar.engine.structures import Times
from forge_common.grammar.engine.text_trees import MAX_TEXTS, NO_TEXTS, TextTree
from forge_common.grammar.engine.unique_texts import Heads, Reading, TextReader, UniqueTexts
from forge_common.grammar.errors import GrammarError

PLACE_BYTES = 400
OPEN, CLOSE, COMMA = b"[],"


class Phase(StrEnum):  # hashed as fast as text
    BEFORE = "before"
    FIRST = "first"
    NEXT = "next"
    ITEM = "item"
    BEHIND_ITEM = "behind item"
    END = "end"


class UniqueLocal(NamedTuple):
    phase: Phase
    times: Times
    texts: TextTree = NO_TEXTS
    reading: Reading | None = None
    is_spaced: bool = False


class UniqueShelf:
    """What all such arrays share."""

    def __init__(self, memory: Memory, steps: Steps) -> None:
        self.texts = UniqueTexts(memory, steps)
        self.states = ItemStates(memory, steps)
        self.places: Table[tuple[UniqueArray, UniqueLocal], UniquePlace] = memory.table(
            lambda place: PLACE_BYTES + place.num_bytes
        )


class UniqueArray(TextReader):
    def __init__(
        self, heads: Heads, times: Times, whitespace: Place | None, shelf: UniqueShelf
    ) -> None:
        """`times` of items, for which there are texts enough: see `times_of_texts`."""
        super().__init__(shelf.texts)
        self.heads = heads
        self.whitespace = whitespace
        self._times = times
        self._shelf = shelf

    @property
    def has_structures(self) -> bool:
        """Among its items, or in their place: then no item is like another."""
        return False

    def is_layout(self, reading: Reading, byte: int) -> bool:
        """Whether the byte, white space, is no part of what tells items apart."""
        return False

    @property
    def start(self) -> UniquePlace:
        return self.place(UniqueLocal(Phase.BEFORE, self._times))

    def place(self, local: UniqueLocal) -> UniquePlace:
        key = (self, local)
        found = self._shelf.places.find(key)
        return self._shelf.places.keep(key, UniquePlace(self, local)) if found is None else found

    def reading(self, local: UniqueLocal) -> Reading:
        """Of the item that is there, or may begin."""
        return local.reading or Reading(self.heads, b"", local.texts)

    def behind(self, local: UniqueLocal, text: bytes) -> UniqueLocal:
        texts = self._shelf.texts.trees.added(local.texts, text)
        return self.behind_some(local)._replace(texts=texts)

    def behind_some(self, local: UniqueLocal) -> UniqueLocal:
        """Behind an item of which it does not matter which it is."""
        fewest, most = local.times
        times = Times(max(fewest - 1, 0), None if most is None else most - 1)
        return UniqueLocal(Phase.BEHIND_ITEM, times, local.texts)

    def edges(self, local: UniqueLocal) -> dict[int, UniqueLocal]:
        """Those of brackets and commas."""
        phase, times, texts = local.phase, local.times, local.texts
        found = {}
        if phase is Phase.BEFORE:
            found[OPEN] = local._replace(phase=Phase.FIRST)
        if phase in (Phase.FIRST, Phase.BEHIND_ITEM) and times.min_left == 0:
            found[CLOSE] = UniqueLocal(Phase.END, times)
        if phase is Phase.BEHIND_ITEM and times.max_left != 0:
            found[COMMA] = UniqueLocal(Phase.NEXT, times, texts)
        return found

    def is_used_up(self, heads: Heads, num_alike: int) -> bool:
        """Whether all that the item may still become is there already, as so many are."""
        return self._shelf.texts.is_used_up(heads, num_alike)


class UniquePlace(Place):
    __slots__ = ("_moves", "local", "machine")

    def __init__(self, machine: UniqueArray, local: UniqueLocal) -> None:
        self.machine = machine
        self.local = local
        self._moves: Moves | None = None

    @property
    def num_bytes(self) -> int:
        return len(self.local.reading.text) if self.local.reading else 0

    @property
    def is_spaced(self) -> bool:
        """Whether no white space has to be read here before anything else."""
        is_at_item = self.local.phase in (Phase.FIRST, Phase.NEXT, Phase.BEHIND_ITEM)
        return self.machine.whitespace is None or self.local.is_spaced or not is_at_item

    @property
    def is_accepting(self) -> bool:
        return self.local.phase is Phase.END

    @property
    def can_read(self) -> bool:
        return self.local.phase is not Phase.END and self.is_spaced

    @property
    def is_at_item(self) -> bool:
        """Whether bytes of an item may come."""
        may_begin = self.local.phase in (Phase.FIRST, Phase.NEXT) and self.local.times.max_left != 0
        return self.is_spaced and (may_begin or self.local.phase is Phase.ITEM)

    @property
    def moves(self) -> Moves:
        """Without the bytes of items."""
        if self._moves is None:
            self._moves = self._find_moves()
        return self._moves

    def _find_moves(self) -> Moves:
        local, whitespace = self.local, self.machine.whitespace
        if local.phase is Phase.ITEM:
            behind = self._behind
            return behind.moves if behind else Moves({}, (), is_accepting=False)
        if whitespace and not self.is_spaced:
            spaced = self.machine.place(local._replace(is_spaced=True))
            return Moves({}, (Call(whitespace, spaced),), is_accepting=False)
        edges = {byte: self.machine.place(to) for byte, to in self.machine.edges(local).items()}
        return Moves(edges, (), self.is_accepting)

    def is_layout(self, byte: int) -> bool:
        is_reading = self.local.phase is Phase.ITEM
        return is_reading and self.machine.is_layout(self.reading, byte)

    @property
    def calls(self) -> tuple[Call, ...]:
        return self.moves.calls

    def next_bytes(self) -> Iterable[int]:
        yield from self.moves.edges
        if self.is_at_item:
            heads = self.reading.heads
            yield from (b for head in heads for b in head.next_bytes() if self.step(b))

    def step(self, byte: int) -> Place | None:
        reading = self.machine.read(self.reading, byte) if self.is_at_item else None
        if reading is None:
            return self.moves.edges.get(byte)
        local = self.local._replace(phase=Phase.ITEM, reading=reading, is_spaced=False)
        return self.machine.place(local)

    @property
    def reading(self) -> Reading:
        return self.machine.reading(self.local)

    @property
    def _behind(self) -> UniquePlace | None:
        """Where the item may end here."""
        if not self.reading.is_whole:
            return None
        return self.machine.place(self.machine.behind(self.local, self.reading.text))


def are_leaves(places: Iterable[Place | int]) -> bool:
    """Whether each is a reader, or a choice of readers."""
    return all(_leaves(place) is not None for place in places)


def heads_of(place: Place | int) -> frozenset[ReadingPlace]:
    """What reads first, where a choice of leaves starts."""
    found = _leaves(place)
    if found is None:
        raise GrammarError("texts that have to differ must be scalars here")
    return found


def _leaves(place: Place | int) -> frozenset[ReadingPlace] | None:
    """None where there are others."""
    found: dict[ReadingPlace, None] = {}
    waiting = [place]
    while waiting:
        here = waiting.pop()
        if isinstance(here, ReadingPlace):
            found[here] = None
        elif (
            isinstance(here, int | UniquePlace)
            or here.can_read
            or here.is_accepting
            or not all(c.back.is_end for c in here.calls)
        ):
            return None
        else:
            waiting += [call.callee for call in here.calls]
    return frozenset(found)


def times_of_texts(heads: Heads, times: Times) -> Times:
    """No more than there are texts."""
    fewest, most = times
    limit = MAX_TEXTS + 1 if most is None else min(most, MAX_TEXTS + 1)
    num_texts = _count_literals(heads) or count_texts(heads, limit, Steps().spend)
    if num_texts < min(fewest, limit):
        raise GrammarError("there are not so many different items")
    if most is not None and most <= num_texts:
        return times
    return Times(fewest, num_texts if num_texts < limit else most)


def _count_literals(heads: Heads) -> int | None:
    """Without reading them, where there is nothing else."""
    if len(heads) != 1:
        return None
    (head,) = heads
    automaton = head.reader.automaton if isinstance(head, ReaderPlace) else None
    return automaton.num_texts if isinstance(automaton, LiteralTexts) else None
