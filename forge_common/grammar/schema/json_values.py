"""JSON values: what kind each is of, when two are equal, and how one is written.

Numbers are decimals of any size: 1, 1.0 and 1e0 are one integer. A value is written one way: no
spaces, numbers plainly (`1`, `0.05`), characters as they are. Recurses as deep as a value is
nested, which `documents` bounds. Knows no schema.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TypeGuard

from forge_common.grammar.errors import GrammarError, GrammarTooLarge

MAX_NUMBER_BITS = 13_000  # written out some 3,900 digits, which a Program's decimals hold
MAX_EXPONENT = 3_900

JsonNumber = int | float | Decimal


class Kind(StrEnum):  # hashed as fast as text is
    """What `type` tells apart, but for `number`, which is both kinds of it."""

    NULL = "null"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    FRACTIONAL = "fractional"
    STRING = "string"
    ARRAY = "array"
    OBJECT = "object"


def is_number(value: object) -> TypeGuard[JsonNumber]:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def exact(number: JsonNumber) -> Fraction:
    """The number as its decimal digits say it, not as a float rounds it."""
    if isinstance(number, int):
        if number.bit_length() > MAX_NUMBER_BITS:
            raise GrammarTooLarge("a number has too many digits")
        return Fraction(number)
    decimal = number if isinstance(number, Decimal) else Decimal(repr(number))
    if not decimal.is_finite():
        raise GrammarError("not a number of JSON")
    if decimal and abs(decimal.adjusted()) > MAX_EXPONENT:
        raise GrammarTooLarge("a number has too many digits")
    return Fraction(decimal)


def number_text(number: JsonNumber | Fraction) -> str:
    """Plain digits. A Fraction must be a decimal."""
    fraction = number if isinstance(number, Fraction) else exact(number)
    if fraction.denominator == 1:
        return str(fraction.numerator)
    num_places = _num_places(fraction.denominator)
    scaled = abs(fraction.numerator) * 10**num_places // fraction.denominator
    digits = str(scaled).rjust(num_places + 1, "0")
    sign = "-" if fraction < 0 else ""
    return f"{sign}{digits[:-num_places]}.{digits[-num_places:]}"


def _num_places(denominator: int) -> int:
    """The least n for which the denominator, made of twos and fives, divides 10**n."""
    num_places = 0
    while 10**num_places % denominator:
        num_places += 1
    return num_places


def kind_of(value: object) -> Kind:
    if isinstance(value, str):  # most are
        return Kind.STRING
    if value is None:
        return Kind.NULL
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if is_number(value):
        return Kind.INTEGER if exact(value).denominator == 1 else Kind.FRACTIONAL
    if isinstance(value, list | tuple):
        return Kind.ARRAY
    if isinstance(value, dict):
        return Kind.OBJECT
    raise GrammarError("not a JSON value")


def identity(value: object) -> Hashable:
    """Equal for equal values, as JSON Schema means it, and only for those."""
    if isinstance(value, str):
        return value
    if is_number(value):
        return (Kind.INTEGER, exact(value))
    if isinstance(value, list | tuple):
        return (Kind.ARRAY, tuple(map(identity, value)))
    if isinstance(value, dict):
        return (Kind.OBJECT, frozenset((key, identity(member)) for key, member in value.items()))
    return (kind_of(value), str(value))


def value_text(value: object) -> str:
    if isinstance(value, str):
        return string_text(value)
    if is_number(value):
        return number_text(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(value_text, value)) + "]"
    if isinstance(value, dict):
        members = (f"{string_text(key)}:{value_text(member)}" for key, member in value.items())
        return "{" + ",".join(members) + "}"
    return json.dumps(value)


def string_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def is_writable(value: object) -> bool:
    return not isinstance(value, str) or is_encodable(value)


def is_encodable(text: str) -> bool:
    """Whether it has no half of a surrogate pair, which UTF-8 cannot say."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
