"""Texts are counted as far as is asked, whatever reads them."""

from __future__ import annotations

import itertools
import json
import re
import time

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.automata.text_counts import PlainRun, Run, StringRun, count_texts
from forge_common.grammar.program import JsonString, Literals, Number, Pattern


def run_of(rule: JsonString | Number | Literals) -> Run:
    store = AutomatonStore()
    match rule:
        case JsonString():
            string = store.string(rule)
            return StringRun(string, string.start, rule.min_length, rule.max_length)
        case Number():
            return PlainRun.start(store.number(rule))
        case Literals():
            return PlainRun.start(store.literals(rule))


def pattern(text: str, least: int = 0, most: int | None = None) -> JsonString:
    return JsonString((Pattern(text),), least, most, is_canonical=True)


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        ((pattern("^(ab|cd)$"),), 2),
        ((pattern("^[ab]*$", most=3),), 15),
        ((pattern("^[ab]*$", least=2, most=3),), 12),
        ((pattern("^(aa)*$", most=5),), 3),
        ((JsonString(max_length=0, is_canonical=True),), 1),
        ((JsonString(is_canonical=True),), 1000),
        ((pattern("^a*$"),), 1000),
        ((Number(is_integer=True, minimum="-1", maximum="12", is_canonical=True),), 14),
        ((Number(minimum="0", maximum="1", is_canonical=True),), 1000),
        ((Literals((b"1", b"12", b"2")),), 3),
        ((Literals((b'"a"', b"1")), pattern("^[ab]$")), 3),
        ((), 0),
    ],
)
def test_texts_are_counted_once(
    rules: tuple[JsonString | Number | Literals, ...], count: int
) -> None:
    assert count_texts(map(run_of, rules), 1000) == count
    for limit in (1, 2, 3, 15):
        assert count_texts(map(run_of, rules), limit) == min(count, limit)


def test_endless_texts_are_counted_soon() -> None:
    began = time.process_time()
    assert count_texts([run_of(JsonString(is_canonical=True))], 4097) == 4097
    assert time.process_time() - began < 1


def test_a_canonical_string_has_one_spelling() -> None:
    """Over all texts of a few bytes: the one that json.dumps writes."""
    automaton = AutomatonStore().string(JsonString(is_canonical=True))
    for body in itertools.product(
        ("a", "/", "\\", '"', "n", "u00", "1f", "0A", "\x7f", "é"), repeat=3
    ):
        text = f'"{"".join(body)}"'
        try:
            is_canonical = json.dumps(json.loads(text), ensure_ascii=False) == text
        except ValueError:
            is_canonical = False
        assert automaton.accepts(text.encode()) == is_canonical, text
    for code in range(0x250):
        assert automaton.accepts(json.dumps(chr(code), ensure_ascii=False).encode())


def test_a_canonical_number_has_one_spelling() -> None:
    automaton = AutomatonStore().number(Number(is_canonical=True))
    canonical = re.compile(r"0|-?(0(?=\.)|[1-9][0-9]*)(\.[0-9]*[1-9])?")
    for length in range(1, 6):
        for letters in itertools.product("-01.5", repeat=length):
            text = "".join(letters)
            expected = canonical.fullmatch(text) is not None
            assert automaton.accepts(text.encode()) == expected, text
