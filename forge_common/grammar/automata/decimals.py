"""Decimal numbers by their digits, exact at any size: no float, no power of ten is ever computed.

Knows nothing of automata.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from forge_common.grammar.errors import GrammarError, GrammarTooLarge

MAX_EXPONENT = 4096
MAX_EXPONENT_DIGITS = 6
DECIMAL = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")


class Decimal(NamedTuple):
    """0.`digits` times ten to the power of `point`, or less than 0."""

    is_negative: bool
    digits: str  # neither the first nor the last is 0; none at all for 0
    point: int

    @property
    def whole(self) -> str:
        """The digits before the decimal point; at least a 0."""
        if self.point <= 0:
            return "0"
        return self.digits[: self.point].ljust(self.point, "0")

    @property
    def fraction(self) -> str:
        """The digits behind it; none for an integer."""
        return "0" * max(-self.point, 0) + self.digits[max(self.point, 0) :]

    @property
    def exponent(self) -> int:
        """As written behind an E, with one digit before the decimal point."""
        return self.point - 1


def parse_decimal(text: str) -> Decimal:
    match = DECIMAL.fullmatch(text)
    if not match or not (match[2] or match[3]):
        raise GrammarError("not a decimal number")
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", match[4]
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return Decimal(is_negative=False, digits="", point=0)
    point = len(digits) - len(fraction) + (_parse_exponent(exponent) if exponent else 0)
    if abs(point) > MAX_EXPONENT:
        raise GrammarTooLarge(f"a number's exponent is beyond {MAX_EXPONENT}")
    return Decimal(sign == "-", digits.rstrip("0"), point)


def _parse_exponent(text: str) -> int:
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > MAX_EXPONENT_DIGITS:
        raise GrammarTooLarge(f"a number's exponent is beyond {MAX_EXPONENT}")
    magnitude = int(digits or "0")
    return -magnitude if text.startswith("-") else magnitude
