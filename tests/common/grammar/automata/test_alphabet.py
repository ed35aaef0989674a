"""Code points that no class tells apart are one symbol."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_common.grammar.automata.alphabet import Alphabet
from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.code_points import CodePoints, Span, is_surrogate, union
from forge_common.grammar.errors import GrammarTooLarge

ends = st.one_of(st.integers(0, 30), st.integers(0xD7F0, 0xE010), st.integers(0x10FFF0, 0x10FFFF))
classes = st.lists(
    st.lists(st.tuples(ends, ends).map(lambda two: Span(min(two), max(two)))).map(union),
    max_size=5,
)
SAMPLES = [
    code_point
    for code_point in (*range(40), *range(0xD7E8, 0xE018), *range(0x10FFE8, 0x110000))
    if not is_surrogate(code_point)
]


@given(classes)
def test_a_class_is_the_union_of_its_symbols(parts: list[CodePoints]) -> None:
    alphabet = Alphabet(parts, Budget())
    for code_point in SAMPLES:
        symbol = alphabet.symbol(code_point)
        for index, part in enumerate(parts):
            inside = any(span.first <= code_point <= span.last for span in part)
            assert (symbol in alphabet.symbols_of_class[index]) == inside


@given(classes)
def test_symbols_are_as_few_as_can_be(parts: list[CodePoints]) -> None:
    alphabet = Alphabet(parts, Budget())
    members = {
        tuple(symbol in found for found in alphabet.symbols_of_class)
        for symbol in alphabet.all_symbols
    }
    assert len(members) == len(alphabet.all_symbols)


@given(classes, st.sampled_from(SAMPLES), st.sampled_from(SAMPLES))
def test_a_common_symbol_is_that_of_every_code_point(
    parts: list[CodePoints], one: int, other: int
) -> None:
    alphabet = Alphabet(parts, Budget())
    first, last = min(one, other), max(one, other)
    symbol = alphabet.common_symbol(first, last)
    if symbol is not None:
        inside = [point for point in SAMPLES if first <= point <= last]
        assert {alphabet.symbol(point) for point in inside} == {symbol}
    if first == last:
        assert symbol == alphabet.symbol(first)


def test_ranges_are_paid_for() -> None:
    many = union(Span(2 * index, 2 * index) for index in range(100))
    with pytest.raises(GrammarTooLarge):
        Alphabet([many], Budget(max_steps=99))
