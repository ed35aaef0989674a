"""In how many further characters a string can be closed."""

from __future__ import annotations

import itertools
import re

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.errors import GrammarTooLarge
from forge_common.grammar.program import JsonString, Pattern

PATTERNS = ["^(ab)*$", "^(aa|bbb)*$", "^a{3,5}$", "b", "^(?:abc|(?:aaaaa)+)$", "^(?!aa)[ab]{0,7}$"]
WORDS = ["".join(word) for size in range(9) for word in itertools.product("abc", repeat=size)]


@pytest.mark.parametrize("pattern", ["", "^$", "(?!)", *PATTERNS])
def test_emptiness_knows_the_lengths(pattern: str) -> None:
    store = AutomatonStore()
    lengths = {len(word) for word in WORDS if re.search(pattern, word)}
    for least in range(9):
        for most in range(9):
            rule = JsonString((Pattern(pattern),), least, most)
            expected = lengths.isdisjoint(range(least, most + 1))
            assert store.is_string_empty(rule) == expected, (least, most)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_place_knows_how_it_may_go_on(pattern: str) -> None:
    automaton = AutomatonStore().string(JsonString((Pattern(pattern),)))
    for begun in ("", "a", "ab", "aab", "bb"):
        state: int | None = automaton.start
        for byte in f'"{begun}'.encode():
            state = None if state is None else automaton.row(state).get(byte)
        rests = {
            len(word) - len(begun)
            for word in WORDS
            if word.startswith(begun) and re.search(pattern, word)
        }
        for least, most in itertools.product(range(4), range(4)):
            can_finish = state is not None and automaton.can_finish(state, least, most)
            assert can_finish == (not rests.isdisjoint(range(least, most + 1)))


def test_lengths_far_away_are_known_by_their_rhythm() -> None:
    store = AutomatonStore()
    rules = [JsonString((Pattern("^(aaa)*$"),), far, far) for far in range(10**15, 10**15 + 3)]
    assert [store.is_string_empty(rule) for rule in rules] == [True, True, False]
    assert not store.is_string_empty(JsonString((Pattern("^(aaa)*$"),), 10**15))
    assert store.is_string_empty(JsonString((Pattern("^a{0,50}$"),), 51))


def test_within_a_character_it_is_still_to_come() -> None:
    automaton = AutomatonStore().string(JsonString((Pattern("^\u6f22{2}$"),)))
    state = automaton.start
    for byte in b'"\xe6':
        state = automaton.row(state)[byte]
    assert automaton.can_finish(state, 2, 2)
    assert not automaton.can_finish(state, 0, 1)
    assert not automaton.can_finish(state, 3, None)


def test_a_closed_string_is_finished() -> None:
    automaton = AutomatonStore().string(JsonString((Pattern("^a$"),)))
    state = automaton.start
    for byte in b'"a"':
        state = automaton.row(state)[byte]
    assert automaton.can_finish(state, 0, 0)
    assert not automaton.can_finish(state, 1, None)


def test_too_many_states_for_lengths_are_refused() -> None:
    pattern = "(a|b)*a(a|b){14}$"
    with pytest.raises(GrammarTooLarge):
        AutomatonStore().is_string_empty(JsonString((Pattern(pattern),), 3))


@pytest.mark.parametrize("minimum", [None, 3])
def test_coprime_rhythms_are_followed_or_refused(minimum: int | None) -> None:
    primes = (3, 5, 7, 11, 13, 17, 19, 23)
    pattern = "^(?:" + "|".join(f"(?:a{{{prime}}})*" for prime in primes) + ")$"
    rule = JsonString((Pattern(pattern),), min_length=minimum or 0)
    if minimum is None:
        assert not AutomatonStore().is_string_empty(rule)
    else:
        with pytest.raises(GrammarTooLarge):
            AutomatonStore().is_string_empty(rule)
