"""Rules in an order in which each comes behind those it needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from forge_common.grammar.engine.component_facts import find_facts
from forge_common.grammar.engine.components import Member, components
from forge_common.grammar.engine.memory import Steps
from forge_common.grammar.engine.rules import numbered
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import (
    Array,
    Choice,
    Contains,
    Item,
    JsonString,
    Literals,
    Object,
    OtherProperties,
    Program,
    Property,
    Repeat,
    Sequence,
)
from forge_common.grammar.rule_graph import callees
from tests.common.grammar.engine.programs import PROGRAMS, program

LETTER = Literals((b"a",))


def in_order(grammar: Program) -> Iterator[list[int]]:
    return components(grammar.root, [callees(rule) for rule in grammar.rules])


def test_children_come_first_and_circles_come_whole() -> None:
    found = list(in_order(program(Choice((1, 3)), Sequence((2,)), Choice((1, 3)), LETTER)))
    assert found == [[3], [1, 2], [0]]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_rule_that_is_reached_is_there_once_behind_its_children(name: str) -> None:
    grammar = PROGRAMS[name]
    done: set[int] = set()
    for found in in_order(grammar):
        assert done.isdisjoint(found)
        done.update(found)
        for index in found:
            assert done.issuperset(callees(grammar.rules[index]))
    assert grammar.root in done


@pytest.mark.parametrize(
    "grammar", [Program((LETTER,), root=1), program(Repeat(1)), program(Choice((0, 7)))]
)
def test_rules_that_are_not_there_are_refused(grammar: Program) -> None:
    with pytest.raises(GrammarError, match="not there"):
        list(in_order(grammar))


def test_circles_as_long_as_programs_take_no_recursion() -> None:
    ring = [Sequence(((index + 1) % 50_000,)) for index in range(50_000)]
    (found,) = in_order(program(*ring))
    assert sorted(found) == list(range(50_000))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Array((Item(5), Item(4, 3)), Item(None, 4)), Array((Item(0), Item(1, 2)), Item(None, 3))),
        (Array(is_unique=True, rest=Item(7)), Array(is_unique=True, rest=Item(0))),
        (
            Object((Property("a", 4),), (OtherProperties(9, 9),), is_ordered=False),
            Object((Property("a", 0),), (OtherProperties(1, 2),), is_ordered=False),
        ),
        (Repeat(8, 2, 3), Repeat(0, 2, 3)),
        (LETTER, LETTER),
    ],
)
def test_rules_name_others_by_their_place(rule: Array, expected: Array) -> None:
    assert numbered(rule) == expected


def test_unique_items_do_not_go_with_contains() -> None:
    with pytest.raises(GrammarError, match="unique"):
        numbered(Array(contains=Contains(1), is_unique=True))


def test_nothing_is_productive_or_empty_unless_it_has_to_be() -> None:
    endless = Member(Sequence((0, 1)), (0, None))
    listed = Member(Choice((0, 1)), (0, 2))
    array = Member(Array(rest=Item(other=0), contains=Contains(0)), (0,))
    repeated = Member(Repeat(0), (0,))
    facts = find_facts((endless, listed, array, repeated), Steps())
    assert facts.productive == [False, True, True, True]
    assert facts.nullable == [False, False, False, True]


def test_required_properties_need_values() -> None:
    needs = Member(Object((Property("a", 0, True),)), (0,))
    may = Member(Object((Property("a", 0),)), (0,))
    counts = Member(Object((Property("a", 0),), min_properties=1), (0,))
    assert find_facts((needs, may, counts), Steps()).productive == [False, True, False]


def test_left_recursion_is_found_behind_what_may_be_empty() -> None:
    empty = Member(Repeat(0), (None,))
    loop = Member(Sequence((0, 1)), (0, 1))
    way_out = Member(Choice((0, 1)), (1, 0))
    with pytest.raises(GrammarError, match="begins with itself"):
        find_facts((empty, Member(Choice((0, 1)), (2, 0)), loop, way_out), Steps())


def test_facts_cost_steps() -> None:
    with pytest.raises(GrammarTooLarge):
        find_facts((Member(Choice(tuple(range(100))), (None,) * 100),), Steps(max_steps=50))
    assert callees(JsonString()) == ()
