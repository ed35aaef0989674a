"""UTF-8 byte by byte, at every boundary there is."""

from __future__ import annotations

import random

import pytest

from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.program import Text

# Where the number of bytes, the first byte or what is well-formed changes, and each place beside.
TURNS = (0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xFFFF)
HIGH_TURNS = (0x10000, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFF)
BOUNDARIES = sorted(
    {
        near
        for turn in (*TURNS, *HIGH_TURNS)
        for near in range(turn - 2, turn + 3)
        if 0 <= near <= 0x10FFFF and not 0xD800 <= near <= 0xDFFF
    }
)


def plain(pattern: str) -> ByteAutomaton:
    return AutomatonStore().text(Text(pattern))


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_every_code_point_is_accepted_and_nothing_else_of_its_length() -> None:
    automaton = plain("[^]")
    for first in range(0, 0x110000, 0x1000):
        for code_point in range(first, first + 0x1000, 13):
            if not 0xD800 <= code_point <= 0xDFFF:
                assert automaton.accepts(chr(code_point).encode())


def test_every_pair_of_bytes_is_judged_as_python_does() -> None:
    automaton = plain("[^]{1,2}")
    for first in range(256):
        for second in range(256):
            text = bytes((first, second))
            assert automaton.accepts(text) == is_utf8(text), text


@pytest.mark.parametrize("lead", [0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF])
def test_three_bytes_are_judged_as_python_does(lead: int) -> None:
    automaton = plain("[^]")
    for second in range(0x7E, 0xC2):
        for third in (0x7F, 0x80, 0xBF, 0xC0):
            text = bytes((lead, second, third))
            assert automaton.accepts(text) == is_utf8(text), text


@pytest.mark.parametrize("lead", [0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF])
def test_four_bytes_are_judged_as_python_does(lead: int) -> None:
    automaton = plain("[^]")
    for second in range(0x7E, 0xC2):
        for rest in ((0x80, 0x80), (0xBF, 0xBF), (0x7F, 0x80), (0x80, 0xC0)):
            text = bytes((lead, second, *rest))
            assert automaton.accepts(text) == is_utf8(text), text


@pytest.mark.parametrize("code_point", BOUNDARIES)
def test_a_class_of_one_is_one_character_of_all(code_point: int) -> None:
    inside, outside = plain(rf"\u{{{code_point:x}}}"), plain(rf"[^\u{{{code_point:x}}}]")
    for other in BOUNDARIES:
        text = chr(other).encode()
        assert inside.accepts(text) == (other == code_point)
        assert outside.accepts(text) == (other != code_point)


@pytest.mark.parametrize("seed", range(30))
def test_ranges_end_where_they_say(seed: int) -> None:
    source = random.Random(seed)
    first, last = sorted(source.sample(BOUNDARIES, 2))
    automaton = plain(rf"[\u{{{first:x}}}-\u{{{last:x}}}]")
    for other in BOUNDARIES:
        assert automaton.accepts(chr(other).encode()) == (first <= other <= last)


def test_a_character_ends_behind_its_last_byte() -> None:
    automaton = plain("[^]*")
    state = automaton.start
    assert automaton.ends_character(state)
    for character in "a\u00e9\u6f22\U0001f600":
        for byte in character.encode()[:-1]:
            state = automaton.row(state)[byte]
            assert not automaton.ends_character(state)
            assert not automaton.is_accepting(state)
        state = automaton.row(state)[character.encode()[-1]]
        assert automaton.ends_character(state)


def test_scripts_that_lead_to_one_state_share_their_bytes() -> None:
    assert plain("[^]*").dense_table(8) is not None
    assert plain("(?:[^a]|a)*").dense_table(8) is not None
