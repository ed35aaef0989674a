"""The machines of a component, made together: what they call is filled in once all are there.

Knows no tokens and no stacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from forge_common.grammar.engine.arrays import ArrayMachine, ArrayPlan
from forge_common.grammar.engine.component_facts import Facts, Flags, flags_of, object_plan
from forge_common.grammar.engine.components import Component, Member, Reference
from forge_common.grammar.engine.distinct_keys import (
    DistinctObject,
    KeyShelf,
    key_heads,
    most_keys,
)
from forge_common.grammar.engine.object_plans import ObjectPlan, Progress
from forge_common.grammar.engine.objects import PUNCTUATION, Entry, ObjectMachine, Properties
from forge_common.grammar.engine.places import Place, PlaceShelf, ReadingPlace, Structure
from forge_common.grammar.engine.reader_shelf import ReaderShelf
from forge_common.grammar.engine.structures import (
    ChoiceMachine,
    RepeatMachine,
    SequenceMachine,
    Times,
)
from forge_common.grammar.engine.unique_arrays import (
    UniqueArray,
    UniqueShelf,
    are_leaves,
    heads_of,
    times_of_texts,
)
from forge_common.grammar.engine.unique_structures import UniqueStructures
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Array, Choice, Object, ObjectStyle, Repeat, Whitespace
from forge_common.grammar.program import Sequence as SequenceRule

Places = tuple[Place | None, ...]


class Shelves(NamedTuple):
    places: PlaceShelf
    readers: ReaderShelf
    unique_arrays: UniqueShelf
    distinct_keys: KeyShelf


class Builder:
    """`Places` of a component's members, in their order; None for those that match nothing."""

    def __init__(
        self,
        component: Component,
        facts: Facts,
        whitespace: Whitespace,
        shelves: Shelves,
    ) -> None:
        self._component = component
        self._facts = facts
        self._shelf, self._readers, self._unique_arrays, self._distinct_keys = shelves
        self._unchecked: list[UniqueStructures] = []
        self._whitespace = self._readers.whitespace if whitespace == "free" else None

    def build(self) -> Places:
        productive = self._facts.productive
        children: list[list[Place | None]] = [[] for _ in self._component]
        places: list[Place | None] = []
        for rank, is_productive in enumerate(productive):
            places.append(self._place(rank, children[rank]) if is_productive else None)
        for found, member in zip(children, self._component, strict=True):
            found += [places[one] if isinstance(one, int) else one for one in member.references]
        for array in self._unchecked:
            array.check()
        return tuple(places)

    def _place(self, rank: int, children: Sequence[Place | None]) -> Place:
        match self._component[rank].rule, self._facts.plans[rank]:
            case Object() as rule, ObjectPlan() as plan:
                return self._object(rule, plan, rank, children)
            case Array(is_unique=True) as rule, _:
                return self._unique_array(rule, self._component[rank].references, children)
            case Array() as rule, ArrayPlan() as plan:
                return _start(ArrayMachine(rule, plan, children, self._whitespace, self._shelf))
            case Choice(), _:
                return _start(ChoiceMachine(children, self._facts.nullable[rank], self._shelf))
            case SequenceRule(), _:
                are_nullable = self._are_nullable(self._component[rank])
                return _start(SequenceMachine(children, are_nullable, self._shelf))
            case Repeat(min_count=fewest, max_count=most), _:
                (is_nullable,) = self._are_nullable(self._component[rank])
                times = Times(fewest, most)
                return _start(RepeatMachine(children, is_nullable, times, self._shelf))
            case rule, _:
                raise TypeError(f"{rule} is no structure")

    def _object(
        self, rule: Object, plan: ObjectPlan, rank: int, children: Sequence[Place | None]
    ) -> Place:
        flags = self._facts.references[rank]
        named, others = self._named(rule, flags), self._others(rule, flags)
        punctuation = PUNCTUATION[rule.style]
        if not rule.is_distinct or not others:
            found = Properties(plan, named + others, children, len(named), punctuation)
            return _start(ObjectMachine(found, self._whitespace, self._shelf))
        references = self._component[rank].references
        heads = key_heads(others, references, len(named))
        limited = object_plan(replace(rule, max_others=most_keys(heads, rule.max_others)), flags)
        if not limited.can_finish(Progress()):
            raise GrammarError("there are not so many different keys")
        found = Properties(limited, named + others, children, len(named), punctuation)
        shelves = (self._shelf, self._distinct_keys)
        return _start(DistinctObject(found, heads, self._whitespace, shelves))

    def _are_nullable(self, member: Member) -> list[bool]:
        return flags_of(
            member, self._facts.nullable, lambda place: place is not None and place.is_accepting
        )

    def _named(self, rule: Object, are_productive: Flags) -> list[Entry]:
        """In the order in which the plan counts them, and the others behind them."""
        return [
            Entry(self._readers.literal(KEY_TEXTS[rule.style](one.key)), one.value)
            for one in rule.properties
            if are_productive[one.value]
        ]

    def _others(self, rule: Object, are_productive: Flags) -> list[Entry]:
        return [
            Entry(one.key, one.value)
            for one in rule.others
            if are_productive[one.key] and are_productive[one.value]
        ]

    def _unique_array(
        self, rule: Array, references: Sequence[Reference], children: Sequence[Place | None]
    ) -> Place:
        if rule.prefix or not are_leaves(_there(references)):
            array = UniqueStructures(rule, children, self._whitespace, self._unique_arrays)
            self._unchecked.append(array)
            return array.start
        heads = frozenset[ReadingPlace]().union(*map(heads_of, _there(references)))
        times = times_of_texts(heads, Times(rule.min_items, rule.max_items))
        return UniqueArray(heads, times, self._whitespace, self._unique_arrays).start


Local = TypeVar("Local", bound=Hashable)


def _start(machine: Structure[Local]) -> Place:
    return machine.place(machine.start)


def _there(references: Sequence[Reference]) -> Iterator[Place | int]:
    return (one for one in references if one is not None)


def key_text(key: str) -> bytes:
    """As JSON writes it with the fewest escapes; half a surrogate pair has to be escaped."""
    try:
        return msgspec.json.encode(key)
    except UnicodeEncodeError:
        return json.dumps(key).encode()


KEY_TEXTS: Mapping[ObjectStyle, Callable[[str], bytes]] = {"json": key_text, "keywords": str.encode}
