"""Programs without dead ends."""

from __future__ import annotations

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.productive import is_empty, productive
from forge_common.grammar.program import (
    AnyRule,
    Array,
    Choice,
    Contains,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    OtherProperties,
    Pattern,
    Program,
    Property,
    Repeat,
    Sequence,
    Text,
)

DEAD = Choice(())
NULL = Literals((b"null",))


def pruned(*rules: AnyRule) -> tuple[AnyRule, ...]:
    return productive(Program(rules), AutomatonStore()).rules


def is_dead(*rules: AnyRule) -> bool:
    return is_empty(productive(Program(rules), AutomatonStore()))


def test_a_choice_of_one_is_that_one() -> None:
    assert pruned(Choice((1, 2)), Choice((3,)), DEAD, NULL) == (NULL,)


def test_rules_that_need_themselves_are_dead() -> None:
    assert is_dead(Sequence((1, 0)), NULL)
    assert is_dead(Object((Property("a", 0, is_required=True),)))
    assert is_dead(Choice((1,)), Choice((0,)))


def test_recursion_with_a_way_out_is_kept() -> None:
    rules = (Choice((1, 2)), NULL, Array(rest=Item(other=0), min_items=1))
    assert pruned(*rules) == rules


def test_regular_rules_that_match_nothing_are_dead() -> None:
    assert is_dead(JsonString((Pattern("^a"), Pattern("^b"))))
    assert is_dead(JsonString((Pattern("^a{3}$"),), max_length=2))
    assert is_dead(Number(minimum="2", maximum="1"))
    assert is_dead(Number(is_integer=True, exclusive_minimum="1", exclusive_maximum="2"))
    assert is_dead(Text("a^b"))


def test_optional_properties_that_are_dead_are_left_out() -> None:
    (rule, *_) = pruned(
        Object((Property("a", 1), Property("b", 2)), (OtherProperties(3, 1),)),
        DEAD,
        NULL,
        JsonString(),
    )
    assert rule == Object((Property("b", 1),), ())


def test_an_object_that_needs_more_than_there_can_be_is_dead() -> None:
    assert is_dead(Object((Property("a", 1), Property("b", 2)), min_properties=2), NULL, DEAD)
    assert is_dead(Object((Property("a", 1, True), Property("b", 1, True)), max_properties=1), NULL)


def test_arrays_end_before_a_dead_place() -> None:
    (rule, *_) = pruned(Array((Item(1), Item(2)), Item(1)), NULL, DEAD)
    assert rule == Array((Item(1),), None, max_items=1)
    assert is_dead(Array((Item(1), Item(2)), Item(1), min_items=2), NULL, DEAD)


def test_arrays_are_as_long_as_counting_needs() -> None:
    counting = Array((Item(1),), Item(1, 2), contains=Contains(2, 3))
    (rule, *_) = pruned(counting, NULL, Literals((b"1",)))
    assert isinstance(rule, Array)
    assert (rule.min_items, rule.max_items) == (3, None)
    (rule, *_) = pruned(Array(rest=Item(1, 2), contains=Contains(2, 3)), DEAD, NULL)
    assert isinstance(rule, Array)
    assert (rule.min_items, rule.max_items) == (2, 3)
    assert is_dead(Array((Item(1),), contains=Contains(1)), NULL)
    assert is_dead(Array(rest=Item(1, 1), contains=Contains(2, 1)), NULL)


def test_repeating_the_impossible_leaves_nothing() -> None:
    assert pruned(Repeat(1), DEAD) == (Sequence(()),)
    assert is_dead(Repeat(1, min_count=1), DEAD)


def test_rules_that_nobody_reaches_are_left_out() -> None:
    assert pruned(NULL, Number(minimum="2", maximum="1"), Choice((0, 1))) == (NULL,)
