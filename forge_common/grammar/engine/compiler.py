"""From the rules of a program to the place where the machine of its root starts.

Machines are interned by content: a rule, and the places it names. So parts that two programs share,
of one request or of many, are the same machines with the same walks; a circle of rules is interned
as a whole. Knows no tokens and no stacks.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.automata.literals import LiteralTexts
from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine.arrays import ArrayMachine
from forge_common.grammar.engine.components import (
    Component,
    Flags,
    Member,
    array_plan,
    components,
    find_nullable,
    find_productive,
    flags_of,
    object_plan,
    refuse_left_recursion,
)
from forge_common.grammar.engine.lengths import Room
from forge_common.grammar.engine.memory import Memory, Steps, Table
from forge_common.grammar.engine.objects import Entry, ObjectMachine, Properties
from forge_common.grammar.engine.places import Place, PlaceShelf, Structure
from forge_common.grammar.engine.readers import CountedReader, Reader, WhitespaceRun
from forge_common.grammar.engine.rules import named_rules, numbered
from forge_common.grammar.engine.structures import (
    ChoiceMachine,
    RepeatMachine,
    SequenceMachine,
    Times,
)
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import (
    AnyValue,
    Array,
    Choice,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    OtherProperties,
    Pattern,
    Program,
    Repeat,
    RuleIndex,
    Text,
    Whitespace,
)
from forge_common.grammar.program import Sequence as SequenceRule

MAX_STEPS = 500_000
STEPS_OF_A_RULE = 20
MAX_DISTINCT = 4096
FREE_STRING = JsonString()
FREE_PATTERN = JsonString((Pattern(""),))  # free but for its escapes
MACHINE_BYTES = 1000
BYTES_A_BYTE = 8  # that a program takes in memory, for one of a message
REFERENCE_BYTES = 100
ANY_VALUE = (
    Choice((1, 2, 3, 4, 5)),
    Array(rest=Item(other=0)),
    Object(others=(OtherProperties(key=3, value=0),)),
    JsonString(),
    Number(),
    Literals((b"true", b"false", b"null")),
)

Places = tuple[Place | None, ...]


class _Compiled(NamedTuple):
    root: Place
    num_bytes: int  # of the program


class Compiler:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._steps = Steps(MAX_STEPS)
        self._shelf = PlaceShelf(memory)
        self._store = AutomatonStore()
        self._num_agings = 0
        self._components: Table[tuple[Whitespace | None, Component], Places] = memory.table(
            lambda places: len(places) * MACHINE_BYTES
        )
        self._compiled: Table[Program, _Compiled] = memory.table(lambda one: one.num_bytes)
        self._strings: Table[JsonString, CountedReader] = memory.table(lambda _: MACHINE_BYTES)
        self._whitespace = Reader(WhitespaceRun(), self._shelf, memory)

    def compile(self, program: Program) -> Place:
        found = self._compiled.find(program)
        if found is None:
            self._steps.begin()
            self._steps.spend(STEPS_OF_A_RULE * len(program.rules))
            self._forget_automata()
            num_bytes = len(msgspec.msgpack.encode(program)) * BYTES_A_BYTE
            found = _Compiled(self._root(program), num_bytes)
            self._compiled.keep(program, found)
        return found.root

    def _root(self, program: Program) -> Place:
        places: dict[RuleIndex, Place | None] = {}
        for indices in components(program):
            ranks = {index: rank for rank, index in enumerate(indices)}
            component = tuple(
                Member(
                    numbered(program.rules[index]),
                    tuple(
                        ranks[named] if named in ranks else places[named]
                        for named in named_rules(program.rules[index])
                    ),
                )
                for index in indices
            )
            found = self._find(component, program.whitespace)
            places.update(zip(indices, found, strict=True))
        root = places[program.root]
        if root is None:
            raise GrammarError("no text at all matches")
        return root

    def _forget_automata(self) -> None:
        """Those that no machine uses, whenever the memory forgets machines."""
        if self._num_agings != self._memory.num_agings:
            self._num_agings = self._memory.num_agings
            self._store = AutomatonStore()

    def _find(self, component: Component, whitespace: Whitespace) -> Places:
        is_read = isinstance(component[0].rule, Literals | Text | JsonString | Number)
        key = (None if is_read else whitespace, component)
        found = self._components.find(key)
        if found is None:
            found = self._components.keep(key, self._make(component, whitespace))
        return found

    def _make(self, component: Component, whitespace: Whitespace) -> Places:
        rule = component[0].rule
        if isinstance(rule, AnyValue):
            return (self._root(Program(ANY_VALUE, whitespace=whitespace)),)
        if isinstance(rule, Literals | Text | JsonString | Number):
            return (self._reading_place(rule),)
        productive = find_productive(component, self._steps)
        nullable = find_nullable(component, productive, self._steps)
        refuse_left_recursion(component, productive, nullable)
        builder = _Builder(self, whitespace, component, nullable)
        return builder.places(productive)

    def _reading_place(self, rule: Literals | Text | JsonString | Number) -> Place | None:
        """None where it matches nothing."""
        if isinstance(rule, JsonString):
            rule = self._store.with_counts_as_lengths(rule)
            return self._string_reader(rule).start_place(Room(rule.min_length, rule.max_length))
        match rule:
            case Literals():
                automaton: ByteAutomaton = LiteralTexts(rule.texts)  # cheaper to make than to keep
            case Text():
                automaton = self._store.text(rule)
            case Number():
                automaton = self._store.number(rule)
        if automaton.is_empty:
            return None
        return Reader(automaton, self._shelf, self._memory).place(automaton.start)

    def _string_reader(self, rule: JsonString) -> CountedReader:
        key = JsonString(rule.patterns, excluded=rule.excluded)
        found = self._strings.find(key)
        if found is None:
            free_rule = FREE_STRING if not rule.patterns else FREE_PATTERN
            free = None if key == free_rule else self._string_reader(free_rule)
            found = CountedReader(self._store.string(key), self._shelf, self._memory, free)
            self._strings.keep(key, found)
        return found

    def whitespace_place(self, whitespace: Whitespace) -> Place | None:
        return self._whitespace.place(0) if whitespace == "free" else None

    def literal(self, text: bytes) -> Place:
        (place,) = self._find((Member(Literals((text,)), ()),), "compact")
        if place is None:
            raise TypeError("a literal matches itself")
        return place

    @property
    def shelf(self) -> PlaceShelf:
        return self._shelf


class _Builder:
    """Of the machines of one component. What they call is filled in once all of them are there."""

    def __init__(
        self, compiler: Compiler, whitespace: Whitespace, component: Component, nullable: Flags
    ) -> None:
        self._compiler = compiler
        self._shelf = compiler.shelf
        self._whitespace = compiler.whitespace_place(whitespace)
        self._component = component
        self._nullable = nullable

    def places(self, productive: Flags) -> Places:
        children: list[list[Place | None]] = [[] for _ in self._component]
        places: list[Place | None] = []
        for rank, member in enumerate(self._component):
            flags = flags_of(member, productive, lambda place: place is not None)
            places.append(self._place(rank, flags, children[rank]) if productive[rank] else None)
        for found, member in zip(children, self._component, strict=True):
            found += [places[one] if isinstance(one, int) else one for one in member.references]
            if isinstance(member.rule, Array) and member.rule.distinct is not None:
                found += self._distinct_texts(member.rule.distinct)
        return tuple(places)

    def _place(self, rank: int, flags: Flags, children: Sequence[Place | None]) -> Place:
        match self._component[rank].rule:
            case Choice():
                return _start(ChoiceMachine(children, self._nullable[rank], self._shelf))
            case SequenceRule():
                are_nullable = self._are_nullable(self._component[rank])
                return _start(SequenceMachine(children, are_nullable, self._shelf))
            case Repeat(min_count=fewest, max_count=most):
                (is_nullable,) = self._are_nullable(self._component[rank])
                times = Times(fewest, most)
                return _start(RepeatMachine(children, is_nullable, times, self._shelf))
            case Array() as rule:
                plan = array_plan(rule, flags)
                return _start(ArrayMachine(rule, plan, children, self._whitespace, self._shelf))
            case Object() as rule:
                plan_of_object = object_plan(rule, flags)
                entries = self._entries(rule, flags)
                found = Properties(plan_of_object, entries, children)
                return _start(ObjectMachine(found, self._whitespace, self._shelf))
            case rule:
                raise TypeError(f"{rule} is no structure")

    def _are_nullable(self, member: Member) -> list[bool]:
        return flags_of(
            member, self._nullable, lambda place: place is not None and place.is_accepting
        )

    def _entries(self, rule: Object, are_productive: Flags) -> list[Entry]:
        """In the order in which the plan counts them."""
        named = [
            Entry(self._compiler.literal(key_text(one.key)), one.value)
            for one in rule.properties
            if are_productive[one.value]
        ]
        others = [
            Entry(one.key, one.value)
            for one in rule.others
            if are_productive[one.key] and are_productive[one.value]
        ]
        return named + others

    def _distinct_texts(self, texts: Sequence[bytes]) -> list[Place | None]:
        if len(texts) > MAX_DISTINCT:
            raise GrammarTooLarge("an array of distinct items has too many to choose from")
        return [self._compiler.literal(text) for text in dict.fromkeys(texts)]


Local = TypeVar("Local", bound=Hashable)


def _start(machine: Structure[Local]) -> Place:
    return machine.place(machine.start)


def key_text(key: str) -> bytes:
    """As JSON writes it with the fewest escapes; half a surrogate pair has to be escaped."""
    try:
        return json.dumps(key, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(key).encode()
