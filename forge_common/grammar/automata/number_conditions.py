"""What a number has to fulfil, decided digit by digit as it is written.

A condition turns a state and a digit into the next state, or into a verdict that stands whatever
follows. Here: multiples of a step, by residue, and numbers that are no integers; the order to a
bound is in `number_orders`. Knows nothing of which notation is allowed where.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import Enum, StrEnum
from typing import Generic, NamedTuple, TypeVar

from forge_common.grammar.automata.decimals import Decimal
from forge_common.grammar.errors import GrammarError, GrammarTooLarge

MAX_RESIDUES = 2**15
EVERY_DIGIT = range(10)
State = TypeVar("State")


class Verdict(Enum):
    HOLDS = "holds"
    FAILS = "fails"


class Place(StrEnum):
    """Where in a number a digit stands."""

    WHOLE = "whole"
    FRACTION = "fraction"
    EXPONENT = "exponent"
    NEGATIVE_EXPONENT = "negative exponent"


class Condition(ABC, Generic[State]):
    """States are hashable."""

    @abstractmethod
    def begin(self, is_negative: bool) -> State | Verdict:
        """With the sign known and no digit read."""

    @abstractmethod
    def read(self, state: State, place: Place, digit: int) -> State | Verdict: ...

    def turns(self, state: State, place: Place) -> Iterable[int]:
        """Digits that may be read otherwise than the one before them."""
        return EVERY_DIGIT

    @abstractmethod
    def holds(self, state: State) -> bool:
        """Whether it does if the number ends here."""


class _Residue(NamedTuple):
    num_zeros: int  # trailing, as far as they are needed; behind the point: digits read
    residue: int  # of what stands before them


class Multiple(Condition[_Residue]):
    """Of a step B times ten to the power of s: s zeros at the end, and B divides what is left."""

    def __init__(self, step: Decimal) -> None:
        if not step.digits or step.is_negative:
            raise GrammarError("a multiple must be of a number above 0")
        self._power = step.point - len(step.digits)
        if len(step.digits) > len(str(MAX_RESIDUES)) or int(step.digits) > MAX_RESIDUES:
            raise GrammarTooLarge("a multiple of a number with more digits than can be followed")
        self._step = int(step.digits)

    def begin(self, is_negative: bool) -> _Residue:
        return _Residue(max(self._power, 0), 0)

    def read(self, state: _Residue, place: Place, digit: int) -> _Residue | Verdict:
        if place is Place.FRACTION:
            return self._read_fraction(state, digit)
        num_zeros, residue = state
        if self._power <= 0:
            return _Residue(0, (10 * residue + digit) % self._step)
        if digit:
            return _Residue(0, (residue * 10 ** (num_zeros + 1) + digit) % self._step)
        if num_zeros < self._power:
            return _Residue(num_zeros + 1, residue)
        return _Residue(num_zeros, 10 * residue % self._step)

    def holds(self, state: _Residue) -> bool:
        num_zeros, residue = state
        if self._power > 0:
            return num_zeros == self._power and residue == 0
        return residue * pow(10, -self._power - num_zeros, self._step) % self._step == 0

    def _read_fraction(self, state: _Residue, digit: int) -> _Residue | Verdict:
        num_digits, residue = state
        if self._power >= 0 or num_digits == -self._power:
            return state if digit == 0 and self.holds(state) else Verdict.FAILS
        return _Residue(num_digits + 1, (10 * residue + digit) % self._step)


class Negated(Condition[State]):
    def __init__(self, condition: Condition[State]) -> None:
        self._condition = condition

    def begin(self, is_negative: bool) -> State | Verdict:
        return _opposite(self._condition.begin(is_negative))

    def read(self, state: State, place: Place, digit: int) -> State | Verdict:
        return _opposite(self._condition.read(state, place, digit))

    def holds(self, state: State) -> bool:
        return not self._condition.holds(state)


def _opposite(outcome: State | Verdict) -> State | Verdict:
    match outcome:
        case Verdict.HOLDS:
            return Verdict.FAILS
        case Verdict.FAILS:
            return Verdict.HOLDS
        case _:
            return outcome


class Fractional(Condition[tuple[()]]):
    def begin(self, is_negative: bool) -> tuple[()]:
        return ()

    def read(self, state: tuple[()], place: Place, digit: int) -> tuple[()] | Verdict:
        return Verdict.HOLDS if place is Place.FRACTION and digit else state

    def holds(self, state: tuple[()]) -> bool:
        return False
