"""ReaderShelf: the readers of rules that are regular, one for each that differs.

Readers of strings are shared by all lengths, and those that are free from some place on go over to
the free string there. Knows no rules that call others.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.automata.free_text import FreeTextAutomaton
from forge_common.grammar.automata.literals import LiteralTexts
from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine.lengths import Room
from forge_common.grammar.engine.memory import Memory, Table
from forge_common.grammar.engine.places import Place, PlaceShelf
from forge_common.grammar.engine.readers import CountedReader, Reader, WhitespaceRun
from forge_common.grammar.program import (
    FreeText,
    JsonString,
    Literals,
    Number,
    Pattern,
    Text,
)

ReadRule = Literals | Text | FreeText | JsonString | Number

READER_BYTES = 1000
PATTERN_STEPS_A_STEP = 8
FREE_STRING = JsonString()
FREE_PATTERN = JsonString((Pattern(""),))  # free but for its escapes
CANONICAL = JsonString(is_canonical=True)


class _Start(NamedTuple):
    place: Place | None  # None where nothing matches


class _FreeReader(NamedTuple):
    automaton: FreeTextAutomaton
    reader: Reader


class ReaderShelf:
    def __init__(self, shelf: PlaceShelf, memory: Memory) -> None:
        self._shelf = shelf
        self._memory = memory
        self._store = AutomatonStore(self._meter)
        self._num_agings = 0
        self._starts: Table[ReadRule, _Start] = memory.table(lambda _: READER_BYTES)
        self._strings: Table[JsonString, CountedReader] = memory.table(lambda _: READER_BYTES)
        self._free_texts: Table[FreeText, _FreeReader] = memory.table(lambda _: READER_BYTES)
        self.whitespace = Reader(WhitespaceRun(), shelf, memory).place(0)

    def find(self, rule: ReadRule) -> Place | None:
        """Where its reader starts. None where it matches nothing."""
        found = self._starts.find(rule)
        if found is None:
            self._forget_automata()
            found = self._starts.keep(rule, _Start(self._make(rule)))
        return found.place

    def literal(self, text: bytes) -> Place:
        place = self.find(Literals((text,)))
        if place is None:
            raise TypeError("a literal matches itself")
        return place

    def _forget_automata(self) -> None:
        """Those that no reader uses, whenever the memory forgets readers."""
        if self._num_agings != self._memory.num_agings:
            self._num_agings = self._memory.num_agings
            self._store = AutomatonStore(self._meter)

    def _meter(self, num_pattern_steps: int) -> None:
        self._memory.steps.spend(num_pattern_steps // PATTERN_STEPS_A_STEP)

    def _make(self, rule: ReadRule) -> Place | None:
        if isinstance(rule, JsonString):
            rule = self._store.with_counts_as_lengths(rule)
            return self._string(rule).start_place(Room(rule.min_length, rule.max_length))
        if isinstance(rule, FreeText):
            return self._free_text(rule)
        automaton = self._automaton(rule)
        if automaton.is_empty:
            return None
        return Reader(automaton, self._shelf, self._memory).place(automaton.start)

    def _automaton(self, rule: Literals | Text | Number) -> ByteAutomaton:
        match rule:
            case Literals():
                return LiteralTexts(rule.texts)  # cheaper to make than to keep
            case Text():
                return self._store.text(rule)
            case Number():
                return self._store.number(rule)

    def _free_text(self, rule: FreeText) -> Place:
        """One reader for all its starts."""
        key = replace(rule, start="content")
        found = self._free_texts.find(key)
        if found is None:
            automaton = FreeTextAutomaton(rule.marks, rule.end, rule.mark)
            found = _FreeReader(automaton, Reader(automaton, self._shelf, self._memory))
            self._free_texts.keep(key, found)
        return found.reader.place(found.automaton.state_at(rule.start))

    def _string(self, rule: JsonString) -> CountedReader:
        key = replace(rule, min_length=0, max_length=None)
        found = self._strings.find(key)
        if found is None:
            free_rule = FREE_PATTERN if rule.patterns else FREE_STRING
            free_rule = CANONICAL if rule.is_canonical else free_rule
            free = None if key == free_rule else self._string(free_rule)
            found = CountedReader(self._store.string(key), self._shelf, self._memory, free)
            self._strings.keep(key, found)
        return found
