"""Patterns made to hurt: each is refused, or walked, within steps that are counted."""

from __future__ import annotations

import contextlib
import random
import time

import pytest

from forge_common.grammar.automata.budget import MAX_STATES
from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import JsonString, Pattern

TOO_LARGE = {
    "nested counts": "(a{1,1000}){1,1000}",
    "counted nothing": "(?:){999999999}",
    "counted options": "(a?){1,999999999}",
    "depth": "(" * 5000 + "a" + ")" * 5000,
    "long count": "[a-z]{0,65536}x",
    "words": "|".join(f"word{number}" for number in range(8000)),
    "subsets": "".join(f"(?=.*{letter})" for letter in "abcdefghijklmnop"),
    "properties": "|".join(rf"[\p{{L}}\p{{N}}{chr(0x2200 + n)}]" for n in range(2000)),
    "cancelled properties": r"[^\p{L}\P{L}]" * 4000,
}
WALKED = {
    "nested quantifiers": "^(([a-z])+.)+[A-Z]([a-z])+$",
    "exponential": "^(a|b)*a(a|b){20}$",
    "stars": "a*" * 2000,
    "star of stars": "(?:a*)*" * 500,
    "lookahead in a loop": "((?=.*a.{10}).)*",
    "repeated lookahead": "(?=.*a)" * 100,
    "negated exponential": "^(?!.*(a|b)*a(a|b){20}).*$",
    "large class": "[" + "".join(map(chr, range(0x4E00, 0x9000))) + "]+",
    "overlapping classes": "(?:"
    + "|".join(f"[{chr(0x4E00 + 7 * n)}-{chr(0x5000 + 7 * n)}]x" for n in range(500))
    + ")*",
}
MAX_SECONDS = 10.0  # generous: machines are slow at times; steps are what is bounded


def walk(pattern: str, num_bytes: int = 200) -> int:
    """At random, but not out of the string."""
    automaton = AutomatonStore().string(JsonString((Pattern(pattern),)))
    source = random.Random(7)
    state = automaton.start
    for _ in range(num_bytes):
        row = automaton.row(state)
        bytes_ = [byte for byte in row if byte != ord('"') or state == automaton.start]
        if not bytes_:
            break
        state = row[source.choice(bytes_)]
    return automaton.num_states


@pytest.mark.parametrize("name", TOO_LARGE)
def test_too_large_patterns_are_refused_soon(name: str) -> None:
    started = time.monotonic()
    with pytest.raises(GrammarTooLarge):
        walk(TOO_LARGE[name])
    assert time.monotonic() - started < MAX_SECONDS


@pytest.mark.parametrize("name", WALKED)
def test_catastrophic_patterns_are_walked_state_by_state(name: str) -> None:
    started = time.monotonic()
    assert walk(WALKED[name]) < MAX_STATES
    assert time.monotonic() - started < MAX_SECONDS


@pytest.mark.parametrize("seed", range(300))
def test_noise_is_read_or_refused(seed: int) -> None:
    source = random.Random(seed)
    pattern = "".join(source.choices("ab()[]{}|*+?^$.\\-,:=!<>0123dwsuxpkb\u00e9\ud800", k=24))
    with contextlib.suppress(GrammarError):  # and nothing else
        walk(pattern, num_bytes=20)
