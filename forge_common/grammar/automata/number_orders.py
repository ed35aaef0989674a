"""A number's order to a bound, digit against digit, so that no size of either matters.

States are few: how many digits agree with the bound's, or in which direction they do not. Knows
nothing of which notation is allowed where.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

from forge_common.grammar.automata.decimals import Decimal
from forge_common.grammar.automata.number_conditions import Condition, Place, State, Verdict


class Order(IntEnum):
    LESS = -1
    EQUAL = 0
    MORE = 1

    def flipped(self, is_flipped: bool) -> Order:
        return FLIPPED[self] if is_flipped else self


FLIPPED = {Order.LESS: Order.MORE, Order.EQUAL: Order.EQUAL, Order.MORE: Order.LESS}
Orders = frozenset[Order]
AT_LEAST: Orders = frozenset((Order.EQUAL, Order.MORE))
MORE_THAN: Orders = frozenset((Order.MORE,))
AT_MOST: Orders = frozenset((Order.EQUAL, Order.LESS))
LESS_THAN: Orders = frozenset((Order.LESS,))
UNEQUAL: Orders = frozenset((Order.LESS, Order.MORE))


def _order(left: int, right: int) -> Order:
    if left == right:
        return Order.EQUAL
    return Order.LESS if left < right else Order.MORE


def _digit(digits: str, index: int) -> int:
    return int(digits[index]) if index < len(digits) else 0


def _around(digits: str, index: int) -> tuple[int, int]:
    """The digit there, which is equal, and the first that is more."""
    digit = _digit(digits, index)
    return digit, digit + 1


class _Comparing(Condition[State]):
    """Signs differ: decided. Else the magnitudes are compared."""

    def __init__(self, bound: Decimal, allowed: Orders) -> None:
        self._bound = bound
        self._whole, self._fraction = bound.whole, bound.fraction
        self._allowed = allowed
        # Then a digit that is not the bound's decides, however many digits there are.
        self._is_unequal_decided = (Order.LESS in allowed) is (Order.MORE in allowed)

    def begin(self, is_negative: bool) -> State | Verdict:
        if self._bound.digits and is_negative is not self._bound.is_negative:
            return self._judge(is_negative, Order.MORE)
        return self._begin_magnitude(is_negative)

    @abstractmethod
    def _begin_magnitude(self, is_negative: bool) -> State | Verdict: ...

    def _judge(self, is_negative: bool, magnitude: Order) -> Verdict:
        is_allowed = magnitude.flipped(is_negative) in self._allowed
        return Verdict.HOLDS if is_allowed else Verdict.FAILS


class OfMagnitude(Condition[State]):
    """What holds of the number without its sign."""

    def __init__(self, condition: Condition[State]) -> None:
        self._condition = condition

    def begin(self, is_negative: bool) -> State | Verdict:
        return self._condition.begin(is_negative=False)

    def read(self, state: State, place: Place, digit: int) -> State | Verdict:
        return self._condition.read(state, place, digit)

    def turns(self, state: State, place: Place) -> Iterable[int]:
        return self._condition.turns(state, place)

    def holds(self, state: State) -> bool:
        return self._condition.holds(state)


class _WholePart(NamedTuple):
    is_negative: bool
    num_digits: int
    order: Order  # to as many digits of the bound


class _FractionPart(NamedTuple):
    """Equal so far."""

    is_negative: bool
    num_fraction_digits: int  # no more than the bound has
    is_fraction: bool = True


class Comparison(_Comparing[_WholePart | _FractionPart]):
    """Of numbers in plain notation."""

    def _begin_magnitude(self, is_negative: bool) -> _WholePart:
        return _WholePart(is_negative, 0, Order.EQUAL)

    def read(
        self, state: _WholePart | _FractionPart, place: Place, digit: int
    ) -> _WholePart | _FractionPart | Verdict:
        if isinstance(state, _FractionPart):
            return self._read_fraction(state, digit)
        if place is Place.WHOLE:
            return self._read_whole(state, digit)
        order = self._order_of_whole(state)
        if order is not Order.EQUAL:
            return self._judge(state.is_negative, order)
        return self._read_fraction(_FractionPart(state.is_negative, 0), digit)

    def turns(self, state: _WholePart | _FractionPart, place: Place) -> Iterable[int]:
        if isinstance(state, _FractionPart):
            return _around(self._fraction, state.num_fraction_digits)
        if place is Place.FRACTION:
            return _around(self._fraction, 0)
        return _around(self._whole, state.num_digits) if state.order is Order.EQUAL else ()

    def holds(self, state: _WholePart | _FractionPart) -> bool:
        num_read = state.num_fraction_digits if isinstance(state, _FractionPart) else 0
        order = Order.EQUAL if isinstance(state, _FractionPart) else self._order_of_whole(state)
        if order is Order.EQUAL and num_read < len(self._fraction):
            order = Order.LESS
        return self._judge(state.is_negative, order) is Verdict.HOLDS

    def _read_whole(self, state: _WholePart, digit: int) -> _WholePart | Verdict:
        is_negative, num_digits, order = state
        whole = self._whole
        if num_digits == len(whole):
            return self._judge(is_negative, Order.MORE)
        if order is Order.EQUAL:
            order = _order(digit, int(whole[num_digits]))
        if order is not Order.EQUAL and self._is_unequal_decided:
            return self._judge(is_negative, order)
        return _WholePart(is_negative, num_digits + 1, order)

    def _order_of_whole(self, state: _WholePart) -> Order:
        return state.order if state.num_digits == len(self._whole) else Order.LESS

    def _read_fraction(self, state: _FractionPart, digit: int) -> _FractionPart | Verdict:
        fraction, num_digits = self._fraction, state.num_fraction_digits
        order = _order(digit, _digit(fraction, num_digits))
        if order is not Order.EQUAL:
            return self._judge(state.is_negative, order)
        return _FractionPart(state.is_negative, min(num_digits + 1, len(fraction)))


class _Mantissa(NamedTuple):
    is_negative: bool
    num_digits: int  # no more than the bound has
    order: Order


class _Exponent(NamedTuple):
    is_negative: bool
    mantissa: Order
    is_exponent_negative: bool
    num_digits: int  # without leading zeros
    order: Order  # to as many digits of the bound's


class ScientificComparison(_Comparing[_Mantissa | _Exponent]):
    """One digit that is not 0 before the point: the larger exponent is the larger magnitude."""

    def _begin_magnitude(self, is_negative: bool) -> _Mantissa | Verdict:
        if not self._bound.digits:
            return self._judge(is_negative, Order.MORE)
        return _Mantissa(is_negative, 0, Order.EQUAL)

    def read(
        self, state: _Mantissa | _Exponent, place: Place, digit: int
    ) -> _Mantissa | _Exponent | Verdict:
        if isinstance(state, _Exponent):
            return self._read_exponent(state, digit)
        if place in (Place.WHOLE, Place.FRACTION):
            return self._read_mantissa(state, digit)
        begun = self._begin_exponent(state, place is Place.NEGATIVE_EXPONENT)
        return begun if isinstance(begun, Verdict) else self._read_exponent(begun, digit)

    def turns(self, state: _Mantissa | _Exponent, place: Place) -> Iterable[int]:
        if isinstance(state, _Exponent):
            return (1, *_around(self._exponent_digits, state.num_digits))
        if place in (Place.WHOLE, Place.FRACTION):
            return _around(self._bound.digits, state.num_digits)
        return (1, *_around(self._exponent_digits, 0))

    def holds(self, state: _Mantissa | _Exponent) -> bool:
        if isinstance(state, _Mantissa):
            return False  # normalised notation never ends before an exponent
        order = self._order_of_exponent(state)
        if order is Order.EQUAL:
            order = state.mantissa
        return self._judge(state.is_negative, order) is Verdict.HOLDS

    def _read_mantissa(self, state: _Mantissa, digit: int) -> _Mantissa | Verdict:
        is_negative, num_digits, order = state
        if order is Order.EQUAL:
            order = _order(digit, _digit(self._bound.digits, num_digits))
        if order is not Order.EQUAL and self._is_unequal_decided:
            return self._judge(is_negative, order)
        return _Mantissa(is_negative, min(num_digits + 1, len(self._bound.digits)), order)

    def _begin_exponent(self, state: _Mantissa, is_exponent_negative: bool) -> _Exponent | Verdict:
        is_negative, num_digits, order = state
        if order is Order.EQUAL and num_digits < len(self._bound.digits):
            order = Order.LESS
        exponent = self._bound.exponent
        if exponent and is_exponent_negative is not (exponent < 0):
            magnitude = Order.LESS if is_exponent_negative else Order.MORE
            return self._judge(is_negative, magnitude)
        return _Exponent(is_negative, order, is_exponent_negative, 0, Order.EQUAL)

    def _read_exponent(self, state: _Exponent, digit: int) -> _Exponent | Verdict:
        if digit == 0 and state.num_digits == 0:
            return state
        digits = self._exponent_digits
        if state.num_digits == len(digits):
            return self._judge(state.is_negative, Order.MORE.flipped(state.is_exponent_negative))
        order = state.order
        if order is Order.EQUAL:
            order = _order(digit, int(digits[state.num_digits]))
        return state._replace(num_digits=state.num_digits + 1, order=order)

    def _order_of_exponent(self, state: _Exponent) -> Order:
        is_short = state.num_digits < len(self._exponent_digits)
        order = Order.LESS if is_short else state.order
        return order.flipped(state.is_exponent_negative)

    @cached_property
    def _exponent_digits(self) -> str:
        return str(abs(self._bound.exponent)).lstrip("0")
