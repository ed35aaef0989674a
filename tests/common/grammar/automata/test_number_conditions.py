"""Conditions on numbers: digits between two turns are read alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from forge_common.grammar.automata.decimals import parse_decimal
from forge_common.grammar.automata.number_conditions import (
    Condition,
    Fractional,
    Multiple,
    Negated,
    Place,
    Verdict,
)
from forge_common.grammar.automata.number_orders import (
    AT_LEAST,
    LESS_THAN,
    UNEQUAL,
    Comparison,
    OfMagnitude,
    ScientificComparison,
)

BOUNDS = ("0", "7", "-120.5", "0.009", "3e12", "-4.2e-8")
ORDERS = (AT_LEAST, LESS_THAN, UNEQUAL)
PLAIN = (Place.WHOLE, Place.FRACTION)
CONDITIONS: list[Condition[Any]] = [
    *(Comparison(parse_decimal(bound), allowed) for bound in BOUNDS for allowed in ORDERS),
    *(
        ScientificComparison(parse_decimal(bound), allowed)
        for bound in BOUNDS
        for allowed in ORDERS
    ),
    OfMagnitude(ScientificComparison(parse_decimal("2.5e-324"), AT_LEAST)),
    Multiple(parse_decimal("0.5")),
    Negated(Multiple(parse_decimal("7"))),
    Fractional(),
]


def places_of(condition: Condition[Any]) -> tuple[Place, ...]:
    is_plain = isinstance(condition, Comparison | Multiple | Negated | Fractional)
    return PLAIN if is_plain else tuple(Place)


def met(condition: Condition[Any], num_digits: int = 3) -> Iterator[tuple[Any, Place]]:
    """States, with the places of the digit that comes next."""
    begun = [condition.begin(is_negative) for is_negative in (False, True)]
    states = {state for state in begun if not isinstance(state, Verdict)}
    for place in places_of(condition):
        here = states
        for _ in range(num_digits):
            yield from ((state, place) for state in here)
            read = [condition.read(state, place, digit) for state in here for digit in range(10)]
            here = {state for state in read if not isinstance(state, Verdict)}
            states = states | here


@pytest.mark.parametrize("condition", CONDITIONS)
def test_digits_between_turns_are_read_alike(condition: Condition[Any]) -> None:
    for state, place in met(condition):
        turns = set(condition.turns(state, place))
        outcomes = [condition.read(state, place, digit) for digit in range(10)]
        for digit in range(1, 10):
            assert digit in turns or outcomes[digit] == outcomes[digit - 1]
