"""Kinds, equality and writing of JSON values."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest

from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.schema.json_values import (
    Kind,
    exact,
    identity,
    is_encodable,
    kind_of,
    number_text,
    value_text,
)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, Kind.NULL),
        (True, Kind.BOOLEAN),
        (1, Kind.INTEGER),
        (1.0, Kind.INTEGER),
        (Decimal("1e2"), Kind.INTEGER),
        (0.1, Kind.FRACTIONAL),
        ("1", Kind.STRING),
        ([], Kind.ARRAY),
        ({}, Kind.OBJECT),
    ],
)
def test_kinds(value: object, kind: Kind) -> None:
    assert kind_of(value) is kind


def test_equal_values_are_one_and_others_are_not() -> None:
    same = [1, 1.0, Decimal("1.00")]
    assert len(set(map(identity, same))) == 1
    different = [None, "None", True, 1, "1", "True", [1], ["1"], {"a": 1}, {"a": True}, [], {}, ""]
    assert len(set(map(identity, different))) == len(different)
    assert identity({"a": 1, "b": [2]}) == identity({"b": [2.0], "a": 1})


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1, "0.1"),
        (1e22, "10000000000000000000000"),
        (-2.50, "-2.5"),
        (5e-7, "0.0000005"),
        (Decimal("-0.0"), "0"),
        (Fraction(1, 8), "0.125"),
        (Fraction(-3), "-3"),
    ],
)
def test_numbers_are_written_plainly(number: float | Decimal | Fraction, text: str) -> None:
    assert number_text(number) == text


def test_decimals_are_taken_at_their_digits() -> None:
    assert exact(0.1) == Fraction(1, 10)


@pytest.mark.parametrize(
    "number",
    [10**5000, Decimal("1e99999"), Decimal("1e-99999")],
    ids=["integer", "large", "small"],
)
def test_numbers_of_too_many_digits_are_refused(number: int | Decimal) -> None:
    with pytest.raises(GrammarTooLarge):
        exact(number)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), b"", {1, 2}])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(GrammarError):
        kind_of(value)


def test_values_are_written_compactly_and_read_back() -> None:
    value = {"a": [1, None, True, 'é\n"\\', {}], "b": {"c": []}}
    assert value_text(value) == '{"a":[1,null,true,"é\\n\\"\\\\",{}],"b":{"c":[]}}'
    assert json.loads(value_text(value)) == value


def test_half_a_surrogate_pair_cannot_be_written() -> None:
    assert is_encodable("é\U0001f600")
    assert not is_encodable("a\ud800")
