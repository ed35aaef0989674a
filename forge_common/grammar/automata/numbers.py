"""program.Number as an automaton over bytes, exact at any size.

Integers are written as integers: no fraction, no exponent. Other numbers are written plainly,
`-12.50`, or in scientific notation with one digit that is not 0 before the point, `1.25e+1`. Where
multiples are asked for or excluded, or integers are, only plain notation is left, since no finite
automaton can hold digits against an exponent. With no condition at all `12.5e1` and `0e0` are
allowed too, exponents of more than two digits where the value is scientific. What is written with
an exponent is no infinity and no zero to those who read doubles (IEEE 754). Knows no schemas.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import starmap
from typing import Any, NamedTuple

from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.byte_automaton import ByteAutomaton, Row
from forge_common.grammar.automata.decimals import Decimal as Digits
from forge_common.grammar.automata.decimals import parse_decimal
from forge_common.grammar.automata.lazy_states import FIRST_STATE, LazyStates
from forge_common.grammar.automata.number_conditions import (
    Condition,
    Fractional,
    Multiple,
    Negated,
    Place,
    Verdict,
)
from forge_common.grammar.automata.number_notations import (
    DIGITS,
    ENDS,
    MOVES,
    PLACES,
    Notation,
    Phase,
)
from forge_common.grammar.automata.number_orders import (
    AT_LEAST,
    AT_MOST,
    LESS_THAN,
    MORE_THAN,
    UNEQUAL,
    Comparison,
    OfMagnitude,
    Orders,
    ScientificComparison,
)
from forge_common.grammar.automata.number_values import is_sure_to_have_values
from forge_common.grammar.program import Decimal, Number

MAX_STATES = 10_000
LARGEST_DOUBLE = "1.797693134862315807e308"  # what is read as that
SMALLEST_DOUBLE = "2.5e-324"  # what is less is read as 0
AnyCondition = Condition[Any]


class _Pending(NamedTuple):
    """A condition that what has been read does not decide."""

    condition: int
    state: Hashable


class _Written(NamedTuple):
    way: int
    phase: Phase
    pending: frozenset[_Pending]


class _Bound(NamedTuple):
    value: Digits
    allowed: Orders


class _Way(NamedTuple):
    """To write a number, and what it has to fulfil."""

    notation: Notation
    conditions: Sequence[AnyCondition]


class _Beginning(NamedTuple):
    """Of a number: the sign is known, and no digit."""

    way: int
    is_negative: bool


NumberState = frozenset[_Written]  # at most one a way


class NumberSpace:
    def __init__(self, ways: Sequence[_Way], budget: Budget) -> None:
        self._ways = ways
        self._budget = budget
        self._begun: dict[_Beginning, frozenset[_Pending] | None] = {}
        self.has_dead_ends = any(way.conditions for way in ways)
        self.start: NumberState = frozenset(
            _Written(index, Phase.START, frozenset()) for index in range(len(ways))
        )

    def is_accepting(self, key: NumberState) -> bool:
        return any(map(self._can_end, key))

    def follow(self, key: NumberState) -> Mapping[int, NumberState]:
        following: dict[int, set[_Written]] = {}
        for written in key:
            for byte, to in self._moves(written):
                self._budget.spend_steps(len(written.pending) + 1)
                following.setdefault(byte, set()).add(to)
        return {byte: frozenset(found) for byte, found in following.items()}

    def _can_end(self, written: _Written) -> bool:
        way = self._ways[written.way]
        return written.phase in ENDS[way.notation] and all(
            way.conditions[index].holds(state) for index, state in written.pending
        )

    def _moves(self, written: _Written) -> Iterator[tuple[int, _Written]]:
        moves = MOVES[self._ways[written.way].notation]
        for bytes_, phase in moves.get(written.phase, ()):
            place = PLACES.get(phase)
            if place is not None:
                yield from self._read_digits(written, phase, place, bytes_)
                continue
            for byte in bytes_:
                yield byte, _Written(written.way, phase, written.pending)

    def _read_digits(
        self, written: _Written, phase: Phase, place: Place, digits: bytes
    ) -> Iterator[tuple[int, _Written]]:
        """What a digit leads to is asked once for all that follow it alike."""
        pending = self._pending_before(written)
        if pending is None:
            return
        conditions = self._ways[written.way].conditions
        turns = {
            digit for index, state in pending for digit in conditions[index].turns(state, place)
        }
        to: _Written | None = None
        for byte in digits:
            digit = byte - DIGITS[0]
            if digit in turns or byte == digits[0]:
                left = _read(conditions, pending, place, digit)
                to = None if left is None else _Written(written.way, phase, left)
            if to is not None:
                yield byte, to

    def _pending_before(self, written: _Written) -> frozenset[_Pending] | None:
        """Before a digit is read; None where a condition has failed."""
        if written.phase in (Phase.START, Phase.SIGNED):
            return self._begin(_Beginning(written.way, written.phase is Phase.SIGNED))
        return written.pending

    def _begin(self, beginning: _Beginning) -> frozenset[_Pending] | None:
        if beginning not in self._begun:
            conditions = self._ways[beginning.way].conditions
            self._begun[beginning] = _begin(conditions, beginning.is_negative)
        return self._begun[beginning]


def _read(
    conditions: Sequence[AnyCondition], pending: frozenset[_Pending], place: Place, digit: int
) -> frozenset[_Pending] | None:
    """What is left to decide; None where a condition has failed."""
    left = set()
    for index, state in pending:
        outcome = conditions[index].read(state, place, digit)
        if outcome is Verdict.FAILS:
            return None
        if not isinstance(outcome, Verdict):
            left.add(_Pending(index, outcome))
    return frozenset(left)


def _begin(conditions: Sequence[AnyCondition], is_negative: bool) -> frozenset[_Pending] | None:
    """None where a condition has failed."""
    begun = set()
    for index, condition in enumerate(conditions):
        outcome = condition.begin(is_negative)
        if outcome is Verdict.FAILS:
            return None
        if not isinstance(outcome, Verdict):
            begun.add(_Pending(index, outcome))
    return frozenset(begun)


class NumberText(ByteAutomaton):
    def __init__(self, rule: Number) -> None:
        self._rule = rule
        self._bounds = _bounds(rule)
        self._budget = Budget(max_states=MAX_STATES)
        self._is_empty = not is_sure_to_have_values(rule) and super().is_empty

    @cached_property
    def _states(self) -> LazyStates[NumberState]:
        """Made when the first digit may come, or where it takes them to tell if there are any."""
        return LazyStates(NumberSpace(_ways(self._rule, self._bounds), self._budget), self._budget)

    @property
    def start(self) -> int:
        return FIRST_STATE

    @property
    def num_states(self) -> int:
        return self._states.num_states

    @property
    def num_bytes(self) -> int:
        return self._budget.num_bytes

    @property
    def is_empty(self) -> bool:
        return self._is_empty

    def row(self, state: int) -> Row:
        return self._states.edges(state)

    def is_accepting(self, state: int) -> bool:
        return self._states.is_accepting(state)

    def ends_character(self, state: int) -> bool:
        return True


def _ways(rule: Number, bounds: Sequence[_Bound]) -> list[_Way]:
    further: list[AnyCondition] = [Multiple(parse_decimal(step)) for step in rule.multiples_of]
    further += [Negated(Multiple(parse_decimal(step))) for step in rule.no_multiples_of]
    plain: list[AnyCondition] = [*starmap(Comparison, bounds), *further]
    if rule.is_fractional:
        plain.append(Fractional())
    if rule.is_integer:
        notation = Notation.CANONICAL_INTEGER if rule.is_canonical else Notation.INTEGER
        return [_Way(notation, plain)]
    if rule.is_canonical:
        return [_Way(Notation.CANONICAL, plain)]
    ways = [_Way(Notation.PLAIN if plain else Notation.ANY, plain)]
    if not further and not rule.is_fractional:
        scientific = [*starmap(ScientificComparison, bounds), *_range_of_doubles(rule)]
        ways.append(_Way(Notation.SCIENTIFIC, scientific))
    return ways


def _range_of_doubles(rule: Number) -> Iterator[AnyCondition]:
    """Numbers between bounds of their own are no larger than those."""
    yield OfMagnitude(ScientificComparison(parse_decimal(SMALLEST_DOUBLE), AT_LEAST))
    largest = parse_decimal(LARGEST_DOUBLE)
    bounds = (rule.minimum or rule.exclusive_minimum, rule.maximum or rule.exclusive_maximum)
    if any(one is None or parse_decimal(one).exponent >= largest.exponent for one in bounds):
        yield OfMagnitude(ScientificComparison(largest, AT_MOST))


def _bounds(rule: Number) -> list[_Bound]:
    bounds: list[tuple[Decimal | None, Orders]] = [
        (rule.minimum, AT_LEAST),
        (rule.exclusive_minimum, MORE_THAN),
        (rule.maximum, AT_MOST),
        (rule.exclusive_maximum, LESS_THAN),
        *[(excluded, UNEQUAL) for excluded in rule.excluded],
    ]
    return [_Bound(parse_decimal(text), allowed) for text, allowed in bounds if text is not None]
