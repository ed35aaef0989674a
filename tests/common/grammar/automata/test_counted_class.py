"""Counts of one class are lengths."""

from __future__ import annotations

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.program import JsonString, Pattern


@pytest.mark.parametrize(
    ("pattern", "without", "least", "most"),
    [
        (r"^[a-z]{3,12}$", r"^[a-z]*$", 3, 12),
        (r"^\d{5}$", r"^\d*$", 5, 5),
        (r"^.{2,}$", r"^.*$", 2, None),
        (r"^[\]$]{1,2}?$", r"^[\]$]*$", 1, 2),
        (r"^\{{2}$", r"^\{*$", 2, 2),
        (r"^\p{L}{1,1000000}$", r"^\p{L}*$", 1, 1_000_000),
    ],
)
def test_a_count_becomes_a_length(pattern: str, without: str, least: int, most: int | None) -> None:
    rule = AutomatonStore().with_counts_as_lengths(JsonString((Pattern(pattern),)))
    assert rule == JsonString((Pattern(without),), least, most)


@pytest.mark.parametrize(
    "pattern",
    [
        "^a{2}b$",
        "a{2}$",
        "^a{2}",
        "^(ab){2}$",
        "^a{2}$|b",
        r"^a\{2}$",
        "^a*$",
        "^a{x}$",
        "^(?=a)b{2}$",
    ],
)
def test_what_says_more_is_left_alone(pattern: str) -> None:
    rule = JsonString((Pattern(pattern),))
    assert AutomatonStore().with_counts_as_lengths(rule) == rule


def test_a_negated_count_is_no_length() -> None:
    rule = JsonString((Pattern("^a{2}$", is_negated=True),))
    assert AutomatonStore().with_counts_as_lengths(rule) == rule


def test_counts_and_lengths_meet() -> None:
    patterns = (Pattern("^[a-z]{3,12}$"), Pattern("^.{5,}$"), Pattern("x"))
    rule = AutomatonStore().with_counts_as_lengths(JsonString(patterns, 4, 20, ("abc",)))
    left = (Pattern("^[a-z]*$"), Pattern("^.*$"), Pattern("x"))
    assert rule == JsonString(left, 5, 12, ("abc",))
