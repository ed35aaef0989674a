"""Rules that would call themselves before they read anything."""

from __future__ import annotations

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.left_recursion import find_left_recursion
from forge_common.grammar.program import (
    AnyRule,
    Array,
    Choice,
    Item,
    Literals,
    Program,
    Repeat,
    Sequence,
    Text,
)

A = Literals((b"a",))


@pytest.mark.parametrize(
    ("rules", "circle"),
    [
        ((Choice((0, 1)), A), {0}),
        ((Sequence((1, 0)), Repeat(2), A), {0}),
        ((Sequence((1, 0)), Text("a?")), {0}),
        ((Choice((1,)), Sequence((2,)), Repeat(0, min_count=1)), {0, 1, 2}),
        ((A, Choice((1,))), {1}),
    ],
)
def test_circles_without_reading_are_found(rules: tuple[AnyRule, ...], circle: set[int]) -> None:
    assert find_left_recursion(Program(rules), AutomatonStore()) == circle


@pytest.mark.parametrize(
    "rules",
    [
        (Sequence((1, 0)), A),
        (Choice((1, 2)), A, Sequence((1, 0, 0))),
        (Sequence((1, 0)), Text("a+")),
        (Array(rest=Item(0)),),
        (Sequence((1, 1)), Choice((2, 2)), A),
    ],
)
def test_other_recursion_is_let_through(rules: tuple[AnyRule, ...]) -> None:
    assert find_left_recursion(Program(rules), AutomatonStore()) is None
