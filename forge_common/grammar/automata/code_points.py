"""Sets of code points as sorted spans, and the classes that ECMA-262 names.

Surrogates are no code points of a text and are in no set. Knows no pattern and no encoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MAX_CODE_POINT = 0x10FFFF
FIRST_SURROGATE, LAST_SURROGATE = 0xD800, 0xDFFF


class Span(NamedTuple):
    first: int
    last: int


CodePoints = tuple[Span, ...]  # sorted, neither overlapping nor touching

NONE: CodePoints = ()
ANY: CodePoints = (Span(0, FIRST_SURROGATE - 1), Span(LAST_SURROGATE + 1, MAX_CODE_POINT))
ASCII: CodePoints = (Span(0, 0x7F),)
DIGITS: CodePoints = (Span(0x30, 0x39),)
WORD: CodePoints = (Span(0x30, 0x39), Span(0x41, 0x5A), Span(0x5F, 0x5F), Span(0x61, 0x7A))
LINE_TERMINATORS: CodePoints = (Span(0x0A, 0x0A), Span(0x0D, 0x0D), Span(0x2028, 0x2029))
SPACE: CodePoints = (
    Span(0x09, 0x0D),
    Span(0x20, 0x20),
    Span(0xA0, 0xA0),
    Span(0x1680, 0x1680),
    Span(0x2000, 0x200A),
    Span(0x2028, 0x2029),
    Span(0x202F, 0x202F),
    Span(0x205F, 0x205F),
    Span(0x3000, 0x3000),
    Span(0xFEFF, 0xFEFF),
)


def single(code_point: int) -> CodePoints:
    return (Span(code_point, code_point),)


def is_surrogate(code_point: int) -> bool:
    return FIRST_SURROGATE <= code_point <= LAST_SURROGATE


def complement(code_points: CodePoints) -> CodePoints:
    spans, first = [], 0
    for span in _merged([*code_points, Span(FIRST_SURROGATE, LAST_SURROGATE)]):
        if first < span.first:
            spans.append(Span(first, span.first - 1))
        first = span.last + 1
    if first <= MAX_CODE_POINT:
        spans.append(Span(first, MAX_CODE_POINT))
    return tuple(spans)


def union(spans: Iterable[Span]) -> CodePoints:
    """Spans in any order, which may overlap and hold surrogates."""
    merged = _merged(spans)
    if any(span.first <= LAST_SURROGATE and span.last >= FIRST_SURROGATE for span in merged):
        return complement(complement(merged))
    return merged


def _merged(spans: Iterable[Span]) -> CodePoints:
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.first <= merged[-1].last + 1:
            merged[-1] = Span(merged[-1].first, max(merged[-1].last, span.last))
        else:
            merged.append(span)
    return tuple(merged)
