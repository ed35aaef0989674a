"""JSON strings, from quote to quote, by value."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_common.grammar.automata.json_text import QuotedText
from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.program import JsonString, Pattern

ODD = (
    '\x00\x07\b\t\n\x0b\f\r\x1f "/\\a\x7f\x80\u00e9\ud7ff\ue000\uffff\U00010000\U0001f600\U0010ffff'
)
characters = st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=["Cs"]))
texts = st.text(characters, max_size=4)


def patterned(*patterns: str, excluded: tuple[str, ...] = ()) -> QuotedText:
    return AutomatonStore().string(JsonString(tuple(map(Pattern, patterns)), excluded=excluded))


def free(*excluded: str) -> QuotedText:
    return AutomatonStore().string(JsonString(excluded=excluded))


def hexadecimal(text: str, source: random.Random) -> str:
    """Every UTF-16 unit as an escape, its letters in either case."""
    units = text.encode("utf-16-be").hex()
    escapes = ("\\u" + units[at : at + 4] for at in range(0, len(units), 4))
    return "".join(source.choice([escape, "\\u" + escape[2:].upper()]) for escape in escapes)


@given(texts)
def test_what_json_writes_is_accepted(text: str) -> None:
    written = json.dumps(text, ensure_ascii=False).encode()
    assert free().accepts(written)
    assert patterned("").accepts(written)
    assert free().accepts(json.dumps(text).encode())


@given(texts, texts, st.randoms(use_true_random=False))
def test_an_excluded_text_is_excluded_in_any_spelling(
    text: str, other: str, source: random.Random
) -> None:
    automaton = free(text)
    for value in (text, other):
        for body in (json.dumps(value)[1:-1], hexadecimal(value, source)):
            assert automaton.accepts(f'"{body}"'.encode()) == (value != text)


@given(st.lists(st.sampled_from([*'"\\/bfnrtu0189adDcCfF\n ', "\u00e9"]), max_size=14))
def test_free_strings_are_those_that_json_reads(pieces: list[str]) -> None:
    written = '"' + "".join(pieces) + '"'
    try:
        value = json.loads(written)
    except ValueError:
        is_string = False
    else:
        is_string = not any(0xD800 <= ord(character) <= 0xDFFF for character in value)
    assert free().accepts(written.encode()) == is_string


@pytest.mark.parametrize(
    ("escape", "is_read"),
    [
        ("d83dde00", True),
        ("DBFFDFFF", True),
        ("d800dc00", True),
        ("d83d", False),
        ("de00", False),
        ("d83dd83d", False),
        ("d83d0041", False),
        ("d7ff", True),
        ("e000", True),
    ],
)
def test_surrogates_come_in_pairs(escape: str, is_read: bool) -> None:
    units = "".join("\\u" + escape[at : at + 4] for at in range(0, len(escape), 4))
    assert free().accepts(f'"{units}"'.encode()) == is_read
    assert free("a\u6f22", "\U0001f600x").accepts(f'"{units}"'.encode()) == is_read


def test_a_pair_is_told_apart_from_its_neighbours() -> None:
    automaton = free("\U0001f600")
    assert not automaton.accepts(b'"\\ud83d\\ude00"')
    assert automaton.accepts(b'"\\ud83d\\ude01"')
    assert automaton.accepts(b'"\\ud83c\\ude00"')


@pytest.mark.parametrize(
    ("written", "is_shortest"),
    [
        ("a/b", True),
        (r"a\/b", True),
        (r"\"\\\b\f\n\r\t", True),
        (r"\u0000\u001F\u000b", True),
        (r"\u000a", True),
        (r"\u0020", False),
        (r"\u0041", False),
        (r"\u00e9", False),
        ("\t", False),
        ("\x7f", True),
        ('"', False),
        (r"\a", False),
    ],
)
def test_patterned_strings_take_the_escapes_they_need(written: str, is_shortest: bool) -> None:
    assert patterned("").accepts(f'"{written}"'.encode()) == is_shortest


@given(texts)
def test_a_pattern_sees_the_value(text: str) -> None:
    written = json.dumps(text, ensure_ascii=False).encode()
    assert patterned('^["\\\\\\n]+$').accepts(written) == (text != "" and not text.strip('"\\\n'))
    assert patterned("^[^\\u{80}-\\u{10FFFF}]*$").accepts(written) == text.isascii()


def test_nothing_may_stand_outside_the_quotes() -> None:
    automaton = patterned("a")
    for written in (b"a", b'"a', b'a"', b'"a" ', b'""a', b'"a""'):
        assert not automaton.accepts(written)


def test_an_empty_language_has_no_edge_at_all() -> None:
    automaton = patterned("(?!)")
    assert automaton.is_empty
    assert not automaton.row(automaton.start)


@given(texts, st.booleans())
def test_states_that_end_characters_count_code_points(text: str, is_ascii: bool) -> None:
    automaton = free("some", "other")
    state, count = automaton.start, 0
    for byte in json.dumps(text, ensure_ascii=is_ascii).encode():
        state = automaton.row(state)[byte]
        count += automaton.ends_character(state)
    assert automaton.is_accepting(state)
    assert count - 1 == len(text)


def test_off_the_excluded_texts_a_string_is_free() -> None:
    automaton = free("key", "kind")
    state = automaton.start
    for byte in b'"ki':
        state = automaton.row(state)[byte]
        assert state != automaton.free_state
    assert automaton.row(state)[ord("x")] == automaton.free_state
    assert free().row(free().start)[ord('"')] == free().free_state
