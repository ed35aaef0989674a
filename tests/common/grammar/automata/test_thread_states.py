"""Threads and their duties to lookaheads."""

from __future__ import annotations

import re
from itertools import product

import pytest

from forge_common.grammar.automata.alphabet import Alphabet
from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.language import Language
from forge_common.grammar.automata.lookaheads import ThreadState
from forge_common.grammar.automata.pattern import PatternCompiler
from forge_common.grammar.automata.pattern_syntax import Classes, parse_pattern
from forge_common.grammar.automata.thread_states import ThreadSpace
from forge_common.grammar.automata.tree_nfa import search
from forge_common.grammar.automata.unicode_properties import UnicodeProperties
from forge_common.grammar.program import Pattern


def space(pattern: str) -> ThreadSpace:
    classes, budget = Classes(UnicodeProperties()), Budget()
    tree = parse_pattern(pattern, classes)
    return ThreadSpace(search(tree, Alphabet(classes.in_order, budget), budget), budget)


def language(pattern: str) -> Language:
    return PatternCompiler().search((Pattern(pattern),))


def all_states(found: Language) -> list[ThreadState]:
    state = 0
    while state < found.states.num_states:
        found.states.edges(state)
        state += 1
    return [found.states.key(state) for state in range(found.states.num_states)]


def test_only_lookahead_makes_dead_ends() -> None:
    assert not space("^(a|b)*c$|^d").has_dead_ends
    assert space("(?=a)b").has_dead_ends


def test_without_lookahead_no_dead_end_is_ever_entered() -> None:
    for pattern in ("^a[]b|^c", "^(a$b|cd)", "(a^b|c)d$"):
        found = space(pattern)
        waiting, seen = [found.start], {found.start}
        while waiting:
            for to in found.follow(waiting.pop()).values():
                assert to.threads or to.is_accepting
                if to not in seen:
                    seen.add(to)
                    waiting.append(to)


def test_a_decided_lookahead_is_no_duty_any_more() -> None:
    found = language("^(?=a)(?!b)[abc]*$")
    letter = found.alphabet.symbol(ord("a"))
    after = found.states.key(found.states.edges(found.states.start)[letter])
    assert all(not thread.duties for thread in after.threads)


def test_duties_of_a_loop_do_not_pile_up() -> None:
    assert len(all_states(language("^(?:(?=.*x)[xy])*$"))) <= 6


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("(?=^a)a", "a", "b"),
        ("(?!^)a", "xa", "a"),
        ("a(?=$)", "ba", "ab"),
        ("a(?!$)", "ab", "ba"),
        ("^(?=a$|b)[ab]*$", "ba", "aa"),
        ("^(?:(?!ab).)*$", "aacb", "aab"),
        ("^(?=(?!aa)a)[ab]{2}$", "ab", "aa"),
        ("^(?!(?!aa)a)[ab]{2}$", "aa", "ab"),
        ("(?=a*$)(?=(aa)*$)^a+$", "aaaa", "aaa"),
    ],
)
def test_lookahead_sees_the_ends_of_the_text(pattern: str, matching: str, other: str) -> None:
    assert language(pattern).accepts(matching)
    assert not language(pattern).accepts(other)


def test_a_lookahead_that_nothing_ahead_can_break_is_no_duty_any_more() -> None:
    found = language("^(?!.{4}.*@)[a-z]+@[a-z]+$")
    letter, at = (found.alphabet.symbol(ord(character)) for character in "a@")
    behind = set()
    state = found.states.start
    for _ in range(3):
        state = found.states.edges(state)[letter]
        assert found.states.key(state) != found.states.key(found.states.start)
        behind.add(found.states.edges(state)[at])
    assert len(behind) == 1


@pytest.mark.parametrize(
    "pattern",
    [
        "^(?!.{3}.*@)[ab]+@[ab]+$",
        "^(?!.*bb)a*b?a*b?a*$",
        "^(?!a{2,}$)(?=.*b|a)[ab]*$",
        "^(?!.*@a)[ab]@?[ab]*$",
        "^(a|(?!.*b$)b)*@$",
        "^(?!(?!a)b*@)[ab@]*$",
    ],
)
def test_duties_forgotten_or_not_the_texts_are_those_that_match(pattern) -> None:
    found = language(pattern)
    texts = ["".join(text) for size in range(7) for text in product("ab@", repeat=size)]
    wrong = [text for text in texts if found.accepts(text) is not bool(re.search(pattern, text))]
    assert not wrong
