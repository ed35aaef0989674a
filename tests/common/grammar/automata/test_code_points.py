"""Sets of code points as spans."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from forge_common.grammar.automata.code_points import (
    ANY,
    MAX_CODE_POINT,
    CodePoints,
    Span,
    complement,
    is_surrogate,
    union,
)

code_points = st.one_of(
    st.integers(0, 12), st.integers(0xD7FC, 0xE004), st.integers(0x10FFF8, 0x10FFFF)
)
spans = st.lists(st.tuples(code_points, code_points).map(lambda ends: Span(min(ends), max(ends))))
EDGES = (*range(14), *range(0xD7FA, 0xD803), *range(0xDFFE, 0xE006), *range(0x10FFF6, 0x110000))


def holds(found: CodePoints, code_point: int) -> bool:
    return any(span.first <= code_point <= span.last for span in found)


@given(spans)
def test_a_union_holds_what_its_spans_hold_and_no_surrogate(parts: list[Span]) -> None:
    found = union(parts)
    for code_point in EDGES:
        inside = any(span.first <= code_point <= span.last for span in parts)
        assert holds(found, code_point) == (inside and not is_surrogate(code_point))


@given(spans)
def test_a_complement_is_all_the_rest(parts: list[Span]) -> None:
    found = union(parts)
    rest = complement(found)
    for code_point in EDGES:
        if not is_surrogate(code_point):
            assert holds(rest, code_point) != holds(found, code_point)
    assert complement(rest) == found


@given(spans)
def test_equal_sets_are_equal_spans(parts: list[Span]) -> None:
    found = union(parts)
    assert found == union(reversed(parts))
    assert all(span.last + 1 < after.first for span, after in pairwise(found))


def test_everything_is_all_but_surrogates() -> None:
    assert complement(()) == ANY
    assert sum(span.last - span.first + 1 for span in ANY) == MAX_CODE_POINT + 1 - 2048
