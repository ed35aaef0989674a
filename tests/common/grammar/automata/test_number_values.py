"""Numbers that are sure to be there, against the automata that know."""

from __future__ import annotations

import random

import pytest

from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.automata.number_values import is_sure_to_have_values
from forge_common.grammar.automata.numbers import NumberText
from forge_common.grammar.program import Number

BOUNDS = (None, None, "-2", "-0.5", "0", "0.25", "1", "3", "1e2", "12.5")


def random_rule(source: random.Random) -> Number:
    return Number(
        is_integer=source.random() < 0.5,
        is_fractional=source.random() < 0.1,
        minimum=source.choice(BOUNDS),
        exclusive_minimum=source.choice((None, source.choice(BOUNDS))),
        maximum=source.choice(BOUNDS),
        exclusive_maximum=source.choice((None, source.choice(BOUNDS))),
        multiples_of=source.choice(((), (), ("3",))),
        excluded=tuple(source.sample(("0", "1", "2", "3"), source.randrange(4))),
    )


def is_really_empty(rule: Number) -> bool:
    return bool(ByteAutomaton.is_empty.__get__(NumberText(rule)))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_to_have_values_has_some(seed) -> None:
    source = random.Random(seed)
    rules = [random_rule(source) for _ in range(150)]
    sure = [rule for rule in rules if is_sure_to_have_values(rule)]
    assert len(sure) > 10
    assert not any(map(is_really_empty, sure))


@pytest.mark.parametrize(
    "rule",
    [
        Number(),
        Number(minimum="0.1", maximum="0.2"),
        Number(is_integer=True, exclusive_minimum="1", exclusive_maximum="3"),
        Number(is_integer=True, minimum="0", maximum="2", excluded=("0", "1")),
        Number(is_fractional=True, minimum="1", maximum="2"),
    ],
)
def test_everyday_bounds_take_no_automaton(rule) -> None:
    assert is_sure_to_have_values(rule)


@pytest.mark.parametrize(
    "rule",
    [
        Number(minimum="2", maximum="1"),
        Number(minimum="1", exclusive_maximum="1"),
        Number(is_integer=True, minimum="0.1", maximum="0.9"),
        Number(is_integer=True, exclusive_minimum="1", exclusive_maximum="2"),
        Number(is_integer=True, minimum="0", maximum="1", excluded=("0", "1")),
        Number(is_integer=True, is_fractional=True),
        Number(is_integer=True, minimum="1", maximum="2", multiples_of=("7",)),
    ],
)
def test_where_there_is_nothing_nothing_is_said(rule) -> None:
    assert not is_sure_to_have_values(rule)
    assert NumberText(rule).is_empty
