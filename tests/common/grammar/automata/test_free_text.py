"""Free text ends where a call begins, as a plain search for the marks says it does."""

from __future__ import annotations

import re
from functools import cache
from random import Random

import pytest

from forge_common.grammar.automata.free_text import FreeTextAutomaton
from forge_common.grammar.program import FreeStart, Marks, Tags, special_token

TEXTS = Marks(texts=(b"<tool>", b"<t<tool|", b"aab"))
LINES = Marks(line_texts=(b"```call",), names=(b"f", b"fg"), fences=(b"```json",))
THINKING = Marks(texts=(b"<tool>",), thoughts=Tags(b"<think>", b"</think>"))
PIECES = [b"<", b"<t", b"<tool", b"<tool>", b"ool>", b"|", b"a", b"a", b"b", b"x", b"\xfe"]


@cache
def automaton_of(marks: Marks) -> FreeTextAutomaton:
    return FreeTextAutomaton(marks, "anywhere")


def anywhere(marks: Marks, text: bytes, start: FreeStart = "content") -> bool:
    automaton = automaton_of(marks)
    state = automaton.state_at(start)
    for byte in text:
        following = automaton.row(state).get(byte)
        if following is None:
            return False
        state = following
    return automaton.is_accepting(state)


@pytest.mark.parametrize("seed", range(40))
def test_text_is_free_unless_it_holds_a_mark(seed: int) -> None:
    random = Random(seed)
    found = re.compile(b"|".join(map(re.escape, TEXTS.texts)))
    for _ in range(50):
        text = b"".join(random.choices(PIECES, k=random.randint(0, 8)))
        assert anywhere(TEXTS, text) is (found.search(text) is None)


@pytest.mark.parametrize("mark", TEXTS.texts)
def test_text_up_to_a_mark_ends_behind_the_first_of_all(mark: bytes) -> None:
    automaton = FreeTextAutomaton(TEXTS, "behind mark", mark)
    assert automaton.accepts(b"some <tool text " + mark)
    assert not automaton.accepts(b"some text")
    assert not automaton.accepts(mark + b" ")
    for other in TEXTS.texts:
        assert automaton.accepts(other + mark) is False


def test_objects_may_begin_at_the_start_of_a_line() -> None:
    automaton = FreeTextAutomaton(LINES, "before object")
    for text in (b"", b"  ", b"x\n \t", b"```json", b"```json \n\n "):
        assert automaton.accepts(text)
    for text in (b"x", b"x ", b"{", b"x```json", b'{"name": "f", "parameters":\n'):
        assert not automaton.accepts(text)


def test_nothing_is_looked_for_in_what_may_be_an_object() -> None:
    marks = Marks(texts=(b"<tool>",), names=(b"f",))
    assert anywhere(marks, b'{"id": "<tool>')
    assert not anywhere(marks, b'{"id": "<tool>", "a": 1}\n<tool>')
    assert not anywhere(marks, b"{<tool>")
    before = FreeTextAutomaton(marks, "before object")
    assert not before.accepts(b'{"name": "f"\n')
    assert before.accepts(b'{"name": "f"\n}\n')


@pytest.mark.parametrize(
    ("text", "is_free"),
    [
        (b'{"name": "f", "parameters": ', True),
        (b'{"name": "f", "parameters": {', False),
        (b'{"name": "f", "arguments": "', False),
        (b'{"name": "f", "parameters": [', True),
        (b'{"name": "g", "parameters": {', True),
        (b'{"name": "fg" ,"id":"\\"{", "parameters"\n:\n{', False),
        (b'x {"name": "f", "parameters": {', True),
        (b'x\n\t{"type": "", "name": "f", "name": "fg", "parameters": {', False),
        (b'{"parameters": {}, "name": "f"}', True),
        (b'{"name": "f", "age": {}, "parameters": {', True),
        (b'```json {"name": "f", "parameters": {', False),
        (b"``` ```call", True),
        (b"\n```call", False),
    ],
)
def test_object_is_a_call_once_a_name_has_arguments(text: bytes, is_free: bool) -> None:
    assert anywhere(LINES, text) is is_free


def test_no_object_follows_calls_that_it_would_be_one_of() -> None:
    assert anywhere(LINES, b'; and {"x": 1}', "sequence")
    assert anywhere(LINES, b'\n\nand\n{"x": 1}', "sequence")
    for text in (b"{", b" ; {", b"\n,\n{"):
        assert not anywhere(LINES, text, "sequence")


def test_thoughts_hold_what_they_like() -> None:
    assert anywhere(THINKING, b" \n<think><tool></think>", "reply")
    assert anywhere(THINKING, b"<tool>", "thoughts")
    assert not anywhere(THINKING, b"<think><tool></think><tool>", "reply")
    assert not anywhere(THINKING, b"x<think><tool>", "reply")
    assert not anywhere(THINKING, b"<think><tool>", "content")
    assert not anywhere(THINKING, b"</think><think><tool>", "thoughts")


def test_special_tokens_are_read_as_they_are_shown() -> None:
    other, mark = special_token(b"<|x|>"), special_token(b"<tool>")
    assert anywhere(THINKING, b"a" + other + b"b" + special_token(b"<tool>x"))
    assert not anywhere(THINKING, b"a" + mark)
    assert not anywhere(THINKING, b"<to" + other + b"ol>")  # left out of what is shown
    assert anywhere(THINKING, special_token(b"<think>") + mark, "reply")
    assert not anywhere(THINKING, b"\xff")
    assert not anywhere(THINKING, b"\xff\xff")
    objects = FreeTextAutomaton(LINES, "before object")
    assert objects.accepts(b"x\n" + other)
    up_to = FreeTextAutomaton(THINKING, "behind mark", b"<tool>")
    assert up_to.accepts(b"a" + mark)
    assert up_to.accepts(b"a<tool>")
    assert not up_to.accepts(b"a" + mark[:-1] + b"x")
