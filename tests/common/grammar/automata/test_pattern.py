"""Languages of patterns against interegular's automata, and against `re` where it agrees."""

from __future__ import annotations

import itertools
import random
import re
from typing import Any

import interegular
import pytest
from interegular.fsm import anything_else

from forge_common.grammar.automata.language import Language
from forge_common.grammar.automata.pattern import PatternCompiler
from forge_common.grammar.program import Pattern

NO_LINE_END = "[^\n\r\u2028\u2029]"
ANCHORS = ("^", "$")
WORD_ANCHORS = (*ANCHORS, r"\b", r"\B")
SHORT_TEXTS = [
    "".join(letters) for length in range(6) for letters in itertools.product("abc", repeat=length)
]
SPACED_TEXTS = [text.replace("c", " ") for text in SHORT_TEXTS]


def search(
    *patterns: str, negated: tuple[str, ...] = (), excluded: tuple[str, ...] = ()
) -> Language:
    rules = [Pattern(text) for text in patterns] + [Pattern(text, True) for text in negated]
    return PatternCompiler().search(rules, excluded)


def random_pattern(source: random.Random, depth: int, anchors: tuple[str, ...]) -> str:
    """Of a, b, c; the same to ECMA-262, `re` and interegular."""
    kind = source.randrange(9 if anchors else 7) if depth else 0
    if kind <= 1:
        return source.choice(["a", "b", "c", "[ab]", "[^a]", ".", "(?:)"])
    if kind == 2:
        return (
            "(?:"
            + random_pattern(source, depth - 1, anchors)
            + ")"
            + source.choice(["*", "+", "?", "{2}", "{1,2}", "{0}", "{1,}", "*?"])
        )
    if kind <= 4:
        return "".join(
            random_pattern(source, depth - 1, anchors) for _ in range(source.randrange(4))
        )
    if kind <= 6:
        options = [
            random_pattern(source, depth - 1, anchors) for _ in range(source.randrange(1, 4))
        ]
        return "(" + "|".join(options) + ")"
    if kind == 7:
        return source.choice(anchors)
    return source.choice(["(?=", "(?!"]) + random_pattern(source, depth - 1, anchors) + ")"


def is_same_language(language: Language, other: Any) -> bool:
    """Walks both automata together, by one character of each class either tells apart."""
    symbols = [symbol for symbol in other.alphabet if symbol is not anything_else] + ["\U0010ffff"]
    start = (language.states.start, other.initial)
    seen, waiting = {start}, [start]
    while waiting:
        state, theirs = waiting.pop()
        is_ours = state is not None and language.states.is_accepting(state)
        if is_ours != (theirs in other.finals):
            return False
        for character in symbols:
            known = character if character in other.alphabet else anything_else
            edges = {} if state is None else language.states.edges(state)
            step = (
                edges.get(language.alphabet.symbol(ord(character))),
                other.map.get(theirs, {}).get(other.alphabet[known]),
            )
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return True


@pytest.mark.parametrize("seed", range(40))
def test_whole_patterns_are_interegulars_automata(seed: int) -> None:
    pattern = random_pattern(random.Random(seed), depth=4, anchors=())
    theirs = interegular.parse_pattern(pattern.replace(".", NO_LINE_END)).to_fsm()
    assert is_same_language(PatternCompiler().whole(pattern), theirs), pattern


@pytest.mark.parametrize("seed", range(150))
def test_searches_with_anchors_and_lookahead_are_those_of_re(seed: int) -> None:
    pattern = random_pattern(random.Random(seed), depth=4, anchors=ANCHORS)
    language = search(pattern)
    # `$` of `re` matches before a last newline, too; no text here has one.
    expected = re.compile(pattern)
    for text in SHORT_TEXTS:
        assert language.accepts(text) == bool(expected.search(text)), (pattern, text)


@pytest.mark.parametrize("seed", range(1000, 1100))
def test_words_begin_and_end_where_re_says(seed: int) -> None:
    pattern = random_pattern(random.Random(seed), depth=5, anchors=WORD_ANCHORS).replace("c", " ")
    language = search(pattern)
    expected = re.compile(pattern)
    for text in SPACED_TEXTS:
        # Of `re`, a text of nothing has no place that is no boundary; of ECMA-262, it has.
        if text or r"\B" not in pattern:
            assert language.accepts(text) == bool(expected.search(text)), (pattern, text)


@pytest.mark.parametrize("seed", range(60))
def test_conjunctions_hold_every_pattern_and_no_negated_one(seed: int) -> None:
    source = random.Random(seed)
    wanted = [random_pattern(source, 3, anchors=ANCHORS) for _ in range(source.randrange(3))]
    unwanted = [random_pattern(source, 3, anchors=ANCHORS) for _ in range(source.randrange(3))]
    excluded = tuple(source.choices(SHORT_TEXTS[:40], k=source.randrange(4)))
    language = search(*wanted, negated=tuple(unwanted), excluded=excluded)
    accepted = [
        text
        for text in SHORT_TEXTS
        if all(re.search(pattern, text) for pattern in wanted)
        and not any(re.search(pattern, text) for pattern in unwanted)
        and text not in excluded
    ]
    assert [text for text in SHORT_TEXTS if language.accepts(text)] == accepted
    assert not (accepted and language.is_empty)


@pytest.mark.parametrize("seed", range(60))
def test_every_state_can_be_finished(seed: int) -> None:
    source = random.Random(seed)
    patterns = [random_pattern(source, 3, anchors=ANCHORS) for _ in range(2)]
    language = search(patterns[0], negated=(patterns[1],))
    states = language.states
    reached, waiting = {states.start}, [states.start]
    while waiting:
        for to in states.edges(waiting.pop()).values():
            if to not in reached:
                reached.add(to)
                waiting.append(to)
    finishing = {state for state in reached if states.is_accepting(state)}
    assert bool(finishing) != language.is_empty
    while True:
        before = {s for s in reached if finishing & set(states.edges(s).values())} - finishing
        if not before:
            break
        finishing |= before
    assert language.is_empty or finishing == reached


@pytest.mark.parametrize(
    ("patterns", "negated"),
    [
        (("^a+$", "^b+$"), ()),
        (("^(ab)*$", "^a(ba)*b?a$"), ()),
        (("^[a-c]$",), ("^a|b|c$",)),
        (("(?!)",), ()),
        (("a$b",), ()),
        (("a^b",), ()),
        (("(?=b)a",), ()),
        ((), ("",)),
    ],
)
def test_what_nothing_matches_is_empty(patterns: tuple[str, ...], negated: tuple[str, ...]) -> None:
    assert search(*patterns, negated=negated).is_empty


def test_excluded_texts_with_half_a_pair_exclude_nothing() -> None:
    language = search(excluded=("\ud800", "a"))
    assert not language.accepts("a")
    assert not language.accepts("\ud800")
    assert language.accepts("b")


def test_no_pattern_at_all_leaves_one_state() -> None:
    language = search()
    assert language.states.start == language.universal
    assert language.states.num_states == 1


def test_what_has_matched_is_the_universal_state() -> None:
    language = search("ab", "b")
    state = language.states.start
    for character in "aab":
        state = language.states.edges(state)[language.alphabet.symbol(ord(character))]
    assert state == language.universal


def test_lazy_states_are_few_where_all_of_them_are_many() -> None:
    language = search("(a|b)*a(a|b){25}$")
    assert language.accepts("a" + "ab" * 12 + "b")
    assert language.states.num_states < 60
