"""Numbers against `Fraction`, on thousands of literals near their bounds."""

from __future__ import annotations

import json
import math
import random
import re
import struct
import time
from fractions import Fraction

import pytest

from forge_common.grammar.automata.numbers import NumberText
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import Number

STEPS = ("1", "2", "3", "0.1", "0.01", "0.25", "5", "100", "250", "0.5", "1.5", "7", "1e3", "2e-3")
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
FAR_EXPONENT = re.compile("[eE][+-]?[0-9]{4}")  # more than a Fraction should be made of
NUM_RULES, NUM_LITERALS = 60, 60


def plain_literal(source: random.Random) -> str:
    whole = str(source.choice([0, source.randint(1, 12), source.randint(1, 10**6)]))
    fraction = source.choice(["0", "00", "5", "25", "10", f"{source.randint(0, 999)}", "050"])
    return source.choice(["", "-"]) + whole + source.choice(["", "." + fraction])


def scientific_literal(source: random.Random) -> str:
    fraction = source.choice(["", ".0", ".5", ".25", f".{source.randint(0, 999)}"])
    sign = source.choice(["", "+", "-"])
    exponent = source.choice(["0", "00", "1", "2", "3", "05", "6"])
    digit = source.randint(1, 9)
    return f"{source.choice(['', '-'])}{digit}{fraction}{source.choice('eE')}{sign}{exponent}"


def random_literal(source: random.Random) -> str:
    return source.choice([plain_literal, plain_literal, scientific_literal])(source)


def random_rule(source: random.Random) -> Number:
    bounds = [random_literal(source) if source.random() < 0.35 else None for _ in range(4)]
    return Number(
        source.random() < 0.3,
        source.random() < 0.1,
        *bounds,
        multiples_of=tuple(source.choices(STEPS, k=source.choice([0, 0, 0, 1, 1, 2]))),
        no_multiples_of=tuple(source.choices(STEPS, k=source.choice([0, 0, 0, 0, 1]))),
        excluded=tuple(random_literal(source) for _ in range(source.choice([0, 0, 0, 1, 3]))),
    )


def texts_of(rule: Number) -> list[str]:
    bounds = (rule.minimum, rule.exclusive_minimum, rule.maximum, rule.exclusive_maximum)
    return [text for text in (*bounds, *rule.excluded) if text is not None]


def fits(rule: Number, literal: str) -> bool:
    value = Fraction(literal)
    return (
        (rule.minimum is None or value >= Fraction(rule.minimum))
        and (rule.exclusive_minimum is None or value > Fraction(rule.exclusive_minimum))
        and (rule.maximum is None or value <= Fraction(rule.maximum))
        and (rule.exclusive_maximum is None or value < Fraction(rule.exclusive_maximum))
        and all((value / Fraction(step)).denominator == 1 for step in rule.multiples_of)
        and all((value / Fraction(step)).denominator > 1 for step in rule.no_multiples_of)
        and not (rule.is_fractional and value.denominator == 1)
        and value not in map(Fraction, rule.excluded)
        and may_be_written(rule, literal)
    )


def may_be_written(rule: Number, literal: str) -> bool:
    if rule.is_integer:
        return literal.lstrip("-").isdigit()
    return "e" not in literal.lower() or not (
        rule.multiples_of or rule.no_multiples_of or rule.is_fractional
    )


@pytest.mark.parametrize("seed", range(NUM_RULES))
def test_literals_are_judged_by_their_value(seed: int) -> None:
    source = random.Random(seed)
    rule = random_rule(source)
    automaton = NumberText(rule)
    near = texts_of(rule)
    literals = [random_literal(source) for _ in range(NUM_LITERALS)]
    for literal in (*near, *literals):
        assert automaton.accepts(literal.encode()) == fits(rule, literal), literal
        assert not (automaton.is_empty and fits(rule, literal))


@pytest.mark.parametrize("seed", range(NUM_RULES))
def test_whatever_is_written_is_a_number_that_fits(seed: int) -> None:
    source = random.Random(seed)
    rule = random_rule(source)
    automaton = NumberText(rule)
    for _ in range(0 if automaton.is_empty else 20):
        state, written = automaton.start, ""
        while not (automaton.is_accepting(state) and source.random() < 0.3):
            row = automaton.row(state)
            if not row or len(written) > 60 or FAR_EXPONENT.search(written):
                break
            byte = source.choice(sorted(row))
            state, written = row[byte], written + chr(byte)
        if automaton.is_accepting(state) and not FAR_EXPONENT.search(written):
            assert JSON_NUMBER.fullmatch(written)
            assert fits(rule, written), written
        else:
            assert automaton.row(state) or automaton.is_accepting(state), written


def test_no_condition_leaves_every_json_number_but_for_far_exponents() -> None:
    automaton = NumberText(Number())
    source = random.Random(3)
    for _ in range(3000):
        text = "".join(source.choices("0123.eE+-", k=source.randrange(1, 7)))
        is_near = not re.search("[eE][+-]?[0-9]{3}", text) or is_scientific_double(text)
        expected = bool(JSON_NUMBER.fullmatch(text)) and is_near
        assert automaton.accepts(text.encode()) == expected, text


def is_scientific_double(text: str) -> bool:
    is_scientific = bool(re.match(r"-?[1-9](\.|[eE])", text)) and bool(JSON_NUMBER.fullmatch(text))
    return is_scientific and float(text) not in (0.0, float("inf"), -float("inf"))


@pytest.mark.parametrize(
    "rule",
    [
        Number(),
        Number(minimum="-2e308"),
        Number(maximum="2e308"),
        Number(minimum="-2e308", exclusive_maximum="2e308"),
        Number(minimum="-1e300", exclusive_maximum="1e300"),
    ],
)
def test_exponents_make_no_infinity_and_no_zero(rule: Number) -> None:
    automaton = NumberText(rule)
    for text in (
        "1e309",
        "1.8e308",
        "-1e999",
        "7e-8917",
        "-1e-400",
        "2e-324",
        "1e99999",
        "9e-9999",
    ):
        assert not automaton.accepts(text.encode()), text


def test_every_double_is_allowed_as_json_writes_it() -> None:
    automaton, source = NumberText(Number()), random.Random(4)
    doubles = [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e16, 1e-7, 0.0, 1e22]
    for _ in range(500):
        (double,) = struct.unpack("<d", source.randbytes(8))
        doubles += [double] if math.isfinite(double) else []
    for double in doubles:
        for value in (double, -double):
            assert automaton.accepts(json.dumps(value).encode()), value
            if value:
                assert automaton.accepts(f"{value:.17e}".encode()) or abs(value) < 1e-300
    for text in (b"4.9e-324", b"1E+21", b"0e0", b"0.0E+00", b"12.5e3", b"100e-2"):
        assert automaton.accepts(text), text


@pytest.mark.parametrize(
    ("rule", "is_empty"),
    [
        (Number(is_integer=True, minimum="0.5", maximum="0.7"), True),
        (Number(minimum="0.5", maximum="0.7"), False),
        (Number(minimum="5", exclusive_maximum="5"), True),
        (Number(minimum="5", maximum="5"), False),
        (Number(minimum="5", maximum="5", excluded=("5.00",)), True),
        (Number(is_integer=True, is_fractional=True), True),
        (Number(is_fractional=True, multiples_of=("3",)), True),
        (Number(is_fractional=True, multiples_of=("1.5",)), False),
        (Number(multiples_of=("7", "0.25"), exclusive_minimum="0", exclusive_maximum="7"), True),
        (Number(is_integer=True, multiples_of=("0.7",), minimum="1", maximum="6"), True),
        (Number(is_integer=True, multiples_of=("0.7",), minimum="1", maximum="7"), False),
    ],
)
def test_emptiness_is_known(rule: Number, is_empty: bool) -> None:
    assert NumberText(rule).is_empty is is_empty


@pytest.mark.parametrize("size", [20, 400, 1000])
def test_size_does_not_matter(size: int) -> None:
    bound = "7" * size
    automaton = NumberText(
        Number(is_integer=True, minimum=bound, exclusive_maximum=bound[:-1] + "9")
    )
    assert automaton.accepts(bound.encode())
    assert automaton.accepts((bound[:-1] + "8").encode())
    for other in (bound[:-1] + "6", bound[:-1] + "9", bound[:-1], bound + "0", "-" + bound):
        assert not automaton.accepts(other.encode())


def test_a_small_difference_matters() -> None:
    tiny = "0." + "0" * 300 + "1"
    automaton = NumberText(Number(exclusive_minimum="0", maximum=tiny))
    assert automaton.accepts(tiny.encode())
    assert automaton.accepts(b"1e-301")
    assert not automaton.accepts(b"1e-300")
    assert not automaton.accepts((tiny + "1").encode())
    assert not automaton.accepts(b"0.0")


def test_minus_zero_is_zero() -> None:
    automaton = NumberText(Number(minimum="0", maximum="0"))
    for zero in (b"0", b"-0", b"0.00", b"-0.0"):
        assert automaton.accepts(zero)


@pytest.mark.parametrize("step", ["0", "-1", "0.0", "x"])
def test_steps_that_divide_nothing_are_refused(step: str) -> None:
    with pytest.raises(GrammarError):
        NumberText(Number(multiples_of=(step,)))


@pytest.mark.parametrize(
    "rule",
    [
        Number(multiples_of=("123457",)),
        Number(multiples_of=("1e99999999",)),
        Number(minimum="1e-99999999"),
        Number(is_integer=True, multiples_of=("32749", "32719")),
        Number(is_fractional=True, multiples_of=("32749", "32719")),
    ],
)
def test_what_needs_too_many_states_is_refused_soon(rule: Number) -> None:
    started = time.monotonic()
    with pytest.raises(GrammarTooLarge):
        assert NumberText(rule).is_empty
    assert time.monotonic() - started < 10


def test_many_excluded_numbers_cost_little() -> None:
    excluded = tuple(str(number) for number in range(0, 2000, 2))
    automaton = NumberText(Number(is_integer=True, excluded=excluded))
    assert automaton.accepts(b"1001")
    assert not automaton.accepts(b"1002")
    assert automaton.accepts(b"2000")
