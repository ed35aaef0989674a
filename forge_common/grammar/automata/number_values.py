"""Whether there is any number within bounds, where that is plain to see without an automaton.

Knows nothing of how numbers are written: there is a way for each.
"""

from __future__ import annotations

import math
from fractions import Fraction

from forge_common.grammar.program import Number

SHORT = 16


def is_sure_to_have_values(rule: Number) -> bool:
    """Where this is not said, it takes an automaton to tell. Bounds are decimals of fair size."""
    has_multiples = bool(rule.multiples_of or rule.no_multiples_of)
    if has_multiples or _has_two_bounds(rule) or (rule.is_integer and rule.is_fractional):
        return False
    lower = rule.exclusive_minimum if rule.minimum is None else rule.minimum
    upper = rule.exclusive_maximum if rule.maximum is None else rule.maximum
    if lower is None or upper is None:
        return True
    least, most = _exact(lower), _exact(upper)
    if not rule.is_integer:
        return least < most
    first = math.ceil(least) + (rule.exclusive_minimum is not None and least.denominator == 1)
    last = math.floor(most) - (rule.exclusive_maximum is not None and most.denominator == 1)
    return last - first >= len(rule.excluded)


def _exact(text: str) -> int | Fraction:
    """Most bounds are short integers, which need no fractions."""
    return int(text) if text.isdecimal() and len(text) < SHORT else Fraction(text)


def _has_two_bounds(rule: Number) -> bool:
    """On one side."""
    has_two_below = rule.minimum is not None and rule.exclusive_minimum is not None
    has_two_above = rule.maximum is not None and rule.exclusive_maximum is not None
    return has_two_below or has_two_above
