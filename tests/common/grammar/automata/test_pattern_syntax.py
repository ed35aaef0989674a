"""Which pattern texts are read, with what meaning, and which are refused."""

from __future__ import annotations

import pytest

from forge_common.grammar.automata.pattern import PatternCompiler
from forge_common.grammar.errors import GrammarError, GrammarTooLarge


def matches(pattern: str, text: str) -> bool:
    return PatternCompiler().matches(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (r"^\d$", "5", "٣"),  # ECMA's digits are ASCII's
        (r"^\D$", "٣", "5"),
        (r"^\w$", "_", "é"),
        (r"^\W$", "é", "a"),
        (r"^\s$", "\ufeff", "x"),
        (r"^\s$", "\u3000", "\x85"),
        (r"^\S$", "\x85", "\u2028"),
        (r"^.$", "\x85", "\u2028"),
        (r"^.$", "\U0001f600", "\r"),
        (r"^\cJ$", "\n", "J"),
        (r"^\x41$", "A", "x"),
        (r"^\u0041$", "A", "u"),
        (r"^\u{41}$", "A", "u"),
        (r"^\u{1F600}$", "\U0001f600", "\U0001f601"),
        (r"^\ud83d\ude00$", "\U0001f600", "\U0001f601"),
        (r"^[\ud83d\ude00-\ud83d\ude02]$", "\U0001f601", "\U0001f603"),
        (r"^\0$", "\0", "0"),
        (r"^[\b]$", "\b", "b"),
        (r"^\t\n\v\f\r$", "\t\n\v\f\r", "tnvfr"),
        (r"^\/\-\@\"\_$", '/-@"_', ""),
        (r"^[\w-.]$", "-", ","),
        (r"^[a-]$", "-", "b"),
        (r"^[-a]$", "-", "b"),
        (r"^[^]$", "\n", ""),
        (r"^[]?$", "", "]"),
        (r"^[[]$", "[", "]"),
        (r"^[a^]$", "^", "b"),
        (r"^]}{$", "]}{", ""),
        (r"^a{,2}$", "a{,2}", "aa"),
        (r"^a{2}$", "aa", "a"),
        (r"^a{2,}?$", "aaa", "a"),
        (r"^a{00000000000001,2}$", "aa", "aaa"),
        (r"^(?<year>\d{4})$", "2024", "24"),
        (r"^(?:a|)$", "", "b"),
        (r"^()$", "", "b"),
        (r"^a*?b+?c??$", "aabb", "aac"),
        (r"^\p{Lu}\p{L}$", "Éé", "éÉ"),
        (r"^\P{Lu}$", "é", "É"),
        (r"^\p{General_Category=Decimal_Number}$", "٣", "a"),
        (r"^[\p{Nd}\p{Sc}]+$", "5€", "a"),
        (r"^\p{Cn}$", "\U000e0fff", "a"),
        (r"^\p{Co}$", "\U0010fffd", "\U0010fffe"),
        (r"^\p{ASCII}$", "~", "é"),
        (r"^\p{Any}$", "\n", ""),
        (r"^\p{LC}$", "a", "漢"),
        (r"\bcat\b", "a cat.", "cats"),
        (r"\Bcat\B", "scats", "cats"),
        (r"^\w+\b.\b\w+$", "a-b", "ab"),
        (r"e\b", "caf\u00e9e", "eee1"),
        (r"\b", "a", "\u00e9 "),
        (r"^\B$", "", "a"),
    ],
)
def test_meaning_is_that_of_ecma_262(pattern: str, matching: str, other: str) -> None:
    assert matches(pattern, matching)
    assert not matches(pattern, other)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(a)\1", "backreference"),
        (r"(?<x>a)\k<x>", "backreference"),
        (r"\b+", "repeat"),
        (r"(?<=a)b", "lookbehind"),
        (r"(?<!a)b", "lookbehind"),
        (r"(?i)a", "group"),
        (r"(?P<x>a)", "group"),
        (r"(?>a)", "group"),
        (r"a**", "repeat"),
        (r"a*+", "repeat"),
        (r"*a", "repeat"),
        (r"^*", "repeat"),
        (r"(?=a)*", "repeat"),
        (r"|?", "repeat"),
        (r"(a", "not closed"),
        (r"a)", "parenthesis"),
        (r"[a", "not closed"),
        (r"[z-a]", "out of order"),
        (r"a{3,2}", "out of order"),
        ("\\", "escapes nothing"),
        (r"\Z", "escape"),
        (r"\a", "escape"),
        (r"\01", "escape"),
        (r"[\1]", "escape"),
        (r"\c1", "letter"),
        (r"\x4", "hexadecimal"),
        (r"\u004", "hexadecimal"),
        (r"\u{110000}", "no character"),
        (r"\ud800", "surrogate"),
        ("\ud800", "surrogate"),
        (r"[\ud800-\udbff]", "surrogate"),
        (r"\p{Script=Greek}", "general categories"),
        (r"\p{Alphabetic}", "general categories"),
        (r"\p{gc=}", "general categories"),
        (r"\pL", "braces"),
    ],
)
def test_what_cannot_be_followed_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(GrammarError, match=reason):
        matches(pattern, "")


def test_an_error_says_where() -> None:
    with pytest.raises(GrammarError, match="at character 4 of the pattern"):
        matches(r"ab(\1", "")


@pytest.mark.parametrize(
    "pattern",
    [
        "(" * 60_000 + ")" * 60_000,
        "(?=" * 33 + "a" + ")" * 33,
        "a{1000000000}",
        "[a-z]{2,9999999999}",
    ],
)
def test_depth_and_counts_are_bounded_before_anything_is_built(pattern: str) -> None:
    with pytest.raises(GrammarTooLarge):
        matches(pattern, "")


def test_nesting_up_to_the_bound_is_read() -> None:
    assert matches("^" + "(" * 32 + "a" + ")" * 32 + "$", "a")
    assert matches("^" + "(?=" * 32 + "a" + ")" * 32, "a")
