"""Decimal numbers by their digits."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_common.grammar.automata.decimals import parse_decimal
from forge_common.grammar.errors import GrammarError, GrammarTooLarge

decimals = st.from_regex(r"[+-]?[0-9]{1,6}(\.[0-9]{0,6})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


@given(decimals)
def test_digits_and_point_are_the_value(text: str) -> None:
    decimal = parse_decimal(text)
    sign = -1 if decimal.is_negative else 1
    scaled = Fraction(int(decimal.digits or "0")) / 10 ** len(decimal.digits)
    value = sign * scaled * Fraction(10) ** decimal.point
    assert value == Fraction(text.replace(".e", "e").replace(".E", "e").rstrip("."))
    assert Fraction(f"{decimal.whole}.{decimal.fraction}0") == abs(value)


@given(decimals)
def test_equal_numbers_have_equal_digits(text: str) -> None:
    decimal = parse_decimal(text)
    written = f"{'-' if decimal.is_negative else ''}{decimal.whole}.{decimal.fraction}"
    assert parse_decimal(written) == decimal
    assert parse_decimal(written + "000e+0") == decimal


@pytest.mark.parametrize(
    "text", ["", ".", "-", "e5", "1/3", "1e", "0x1", "1_0", "inf", "nan", " 1", "\u0661"]
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(GrammarError):
        parse_decimal(text)


@pytest.mark.parametrize("text", ["1e999999999999", "1e-5000", "1" + "0" * 5000, "1e" + "9" * 4000])
def test_far_exponents_are_refused_unread(text: str) -> None:
    with pytest.raises(GrammarTooLarge):
        parse_decimal(text)


def test_zero_needs_no_exponent() -> None:
    assert parse_decimal("-0.000e999999") == parse_decimal("0")
