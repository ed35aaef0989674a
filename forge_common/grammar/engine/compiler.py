"""From the rules of a program to the place where the machine of its root starts.

Machines are interned by content: a rule, and the places it names. So parts that two programs share,
of one request or of many, are the same machines with the same walks; a circle of rules is interned
as a whole. Knows no tokens and no stacks.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from forge_common.grammar.engine.building import Builder, Places, Shelves
from forge_common.grammar.engine.component_facts import find_facts
from forge_common.grammar.engine.components import Component, Member, components
from forge_common.grammar.engine.distinct_keys import KeyShelf
from forge_common.grammar.engine.memory import Memory, Table
from forge_common.grammar.engine.places import Place, PlaceShelf
from forge_common.grammar.engine.reader_shelf import ReaderShelf
from forge_common.grammar.engine.rules import numbered
from forge_common.grammar.engine.unique_arrays import UniqueShelf
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import (
    ANY_VALUE,
    AnyValue,
    Program,
    RegularRule,
    RuleIndex,
    Whitespace,
)
from forge_common.grammar.rule_graph import callees

STEPS_OF_A_RULE = 20
MACHINE_BYTES = 1000
BYTES_A_BYTE = 8  # that a program takes in memory, for one of a message


class _Compiled(NamedTuple):
    root: Place
    num_bytes: int  # of the program


class Compiler:
    def __init__(self, memory: Memory) -> None:
        self._steps = memory.steps
        self._shelf = PlaceShelf(memory)
        self._unique_arrays = UniqueShelf(memory, memory.steps)
        self._distinct_keys = KeyShelf(memory, memory.steps)
        self._readers = ReaderShelf(self._shelf, memory)
        self._compiled: Table[Program, _Compiled] = memory.table(lambda one: one.num_bytes)
        self._components: Table[tuple[Whitespace, Component], Places] = memory.table(
            lambda places: len(places) * MACHINE_BYTES
        )

    def compile(self, program: Program) -> Place:
        found = self._compiled.find(program)
        if found is None:
            self._steps.begin()
            self._steps.spend(STEPS_OF_A_RULE * len(program.rules))
            num_bytes = len(msgspec.msgpack.encode(program)) * BYTES_A_BYTE
            found = _Compiled(self._root(program), num_bytes)
            self._compiled.keep(program, found)
        return found.root

    def _root(self, program: Program) -> Place:
        places: dict[RuleIndex, Place | None] = {}
        children = list(map(callees, program.rules))
        for indices in components(program.root, children):
            rule = program.rules[indices[0]]
            if isinstance(rule, RegularRule):
                places[indices[0]] = self._readers.find(rule)
                continue
            ranks = {index: rank for rank, index in enumerate(indices)}
            component = tuple(
                Member(
                    numbered(program.rules[index]),
                    tuple([ranks.get(child, places.get(child)) for child in children[index]]),
                )
                for index in indices
            )
            found = self._find(component, program.whitespace)
            places.update(zip(indices, found, strict=True))
        root = places[program.root]
        if root is None:
            raise GrammarError("no text at all matches")
        return root

    def _find(self, component: Component, whitespace: Whitespace) -> Places:
        key = (whitespace, component)
        found = self._components.find(key)
        if found is None:
            found = self._components.keep(key, self._make(component, whitespace))
        return found

    def _make(self, component: Component, whitespace: Whitespace) -> Places:
        if isinstance(component[0].rule, AnyValue):
            return (self._root(Program(ANY_VALUE, whitespace=whitespace)),)
        facts = find_facts(component, self._steps)
        shelves = Shelves(self._shelf, self._readers, self._unique_arrays, self._distinct_keys)
        return Builder(component, facts, whitespace, shelves).build()
