"""States are values; the cache may forget; what is hostile is refused in bounded time."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from forge_common.grammar.engine import Engine, State
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import (
    AnyValue,
    Array,
    Choice,
    Item,
    JsonString,
    Literals,
    Object,
    Pattern,
    Program,
    Property,
    Repeat,
    Sequence,
)
from tests.common.grammar.engine.programs import (
    END_ID,
    PROGRAMS,
    allowed_ids,
    optional_keys,
    program,
    tree,
)
from tests.common.grammar.engine.vocabularies import odd_vocabulary


def engine(max_bytes: int = 2**26) -> Engine:
    return Engine(odd_vocabulary(), max_bytes)


def after(state: State, text: bytes) -> State:
    following = state.advance_bytes(text)
    assert following is not None, text
    return following


def test_mask_is_packed_and_read_only() -> None:
    mask = engine().start(program(Literals((b"a",)))).mask()
    assert mask.dtype == np.uint32
    assert mask.shape == (-(-odd_vocabulary().num_tokens // 32),)
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = 1


def test_end_token_is_allowed_where_the_text_is_whole() -> None:
    start = engine().start(program(Literals((b"a", b"ab"))))
    assert END_ID not in allowed_ids(odd_vocabulary(), start)
    assert start.advance(END_ID) is None
    whole = after(start, b"a")
    assert END_ID in allowed_ids(odd_vocabulary(), whole)
    assert whole.advance(END_ID) is whole
    assert allowed_ids(odd_vocabulary(), after(whole, b"b")) == [END_ID]


def test_a_state_forks_and_is_not_changed_by_what_follows() -> None:
    state = after(engine().start(tree("compact")), b'{"value":"')
    before = allowed_ids(odd_vocabulary(), state)
    left, right = after(state, b'a","chi'), after(state, b"\\u00e9")
    assert left is not right
    assert allowed_ids(odd_vocabulary(), state) == before
    assert after(left, b'ldren":[]}').is_accepting
    assert after(right, b'","children":[]}').is_accepting
    assert state.advance_bytes(b"\n") is None


def test_equal_ways_lead_to_the_same_state() -> None:
    start = engine().start(PROGRAMS["any value"])
    assert after(start, b"[1,[2,") is after(start, b'["a",[null,')
    by_token = start.advance(odd_vocabulary().tokens.index(b"[["))
    assert by_token is after(start, b"[[")


def test_programs_share_their_parts() -> None:
    shared = engine()
    first = after(shared.start(program(Array(rest=Item(other=1)), AnyValue())), b'["abc')
    num_bytes = shared.num_cached_bytes
    first.mask()
    num_bytes_of_first = shared.num_cached_bytes - num_bytes
    second = after(shared.start(program(Object((Property("k", 1),)), JsonString())), b'{"k":"abc')
    num_bytes = shared.num_cached_bytes
    second.mask()
    assert shared.num_cached_bytes - num_bytes < num_bytes_of_first / 2


def test_forced_bytes_are_the_only_way_on() -> None:
    start = engine().start(PROGRAMS["tree"])
    assert start.forced(100).text == b'{"value":"'
    assert start.forced(4).text == b'{"va'
    assert after(start, b'{"value":""').forced(100).text == b',"children":['
    assert after(start, b'{"value":"\\u').forced(100).text == b""
    whole = program(Literals((b"abc", b"abcd")))
    assert engine().start(whole).forced(100).text == b"abc"
    counted = program(JsonString(max_length=1))
    assert after(engine().start(counted), b'"a').forced(100).text == b'"'


@pytest.mark.parametrize("name", ["tree, spaced", "unordered object", "excluded", "text"])
def test_a_cache_that_forgets_gives_the_same_masks(name: str) -> None:
    rng = random.Random(name)
    large, tiny = engine(), engine(max_bytes=20_000)
    kept: list[tuple[State, State]] = []
    pair = (large.start(PROGRAMS[name]), tiny.start(PROGRAMS[name]))
    for _ in range(60):
        kept.append(pair)
        left, right = rng.choice(kept)
        assert left.mask().tobytes() == right.mask().tobytes()
        token_id = rng.choice(allowed_ids(odd_vocabulary(), left))
        following = left.advance(token_id), right.advance(token_id)
        assert following[0] is not None
        assert following[1] is not None
        pair = (following[0], following[1])
    assert tiny.num_cached_bytes < large.num_cached_bytes


def test_cached_bytes_stay_within_the_budget() -> None:
    rng = random.Random(5)
    tiny = engine(max_bytes=300_000)
    for _ in range(30):
        state = tiny.start(PROGRAMS["any value"])
        for _ in range(10):
            following = state.advance(rng.choice(allowed_ids(odd_vocabulary(), state)))
            assert following is not None
            state = following
            assert tiny.num_cached_bytes < 400_000


# what is large


def test_arrays_ten_thousand_deep() -> None:
    deep = after(engine().start(PROGRAMS["any value"]), b"[" * 10_000)
    assert b"]" in {odd_vocabulary().tokens[i] for i in allowed_ids(odd_vocabulary(), deep)}
    assert not deep.is_accepting
    whole = after(deep, b"]" * 10_000)
    assert whole.is_accepting
    assert allowed_ids(odd_vocabulary(), whole) == [END_ID]


def test_counts_of_a_billion_are_numbers_not_states() -> None:
    far = 10**9
    counted = engine()
    item = Literals((b"1",))
    for rules, text, end in (
        ((JsonString(min_length=far, max_length=far),), b'"' + b"a" * 300, b'"'),
        ((Array(rest=Item(other=1), min_items=far), item), b"[1" + b",1" * 300, b"]"),
        ((Repeat(1, far, far), item), b"1" * 300, b"2"),
    ):
        state = after(counted.start(program(*rules)), text)
        assert not state.is_accepting
        assert state.advance_bytes(end) is None
        assert len(allowed_ids(odd_vocabulary(), state)) > 0


def test_far_counts_share_their_walks() -> None:
    shared = engine()
    start = shared.start(program(Array(rest=Item(other=1), max_items=10**9), AnyValue()))
    first = after(start, b"[1,")
    first.mask()
    num_bytes = shared.num_cached_bytes
    after(start, b"[1,1,1,").mask()
    assert shared.num_cached_bytes - num_bytes < 20_000


def test_a_hundred_thousand_literals() -> None:
    texts = tuple(f'"{index * 7919 % 10**6:06}"'.encode() for index in range(100_000))
    state = after(engine().start(program(Literals(texts))), b'"0')
    assert len(allowed_ids(odd_vocabulary(), state)) > 10
    assert after(state, b'07919"').is_accepting


def chain(num_rules: int) -> Program:
    """Rules that each call the next and have a byte behind it."""
    calls = [Sequence((index + 1, num_rules + 1)) for index in range(num_rules)]
    return program(*calls, Literals((b"a",)), Literals((b"b", b"")))


def test_rules_that_call_each_other_deeply_take_no_recursion() -> None:
    state = engine().start(chain(2_000))
    assert allowed_ids(odd_vocabulary(), state)
    assert after(state, b"abbbb").is_accepting


# what is refused


def test_a_program_that_matches_nothing_is_refused() -> None:
    with pytest.raises(GrammarError, match="no text"):
        engine().start(program(Array(rest=Item(other=0), min_items=1)))


LEFT_RECURSIVE = {
    "at once": (Choice((0, 1)), Literals((b"a",))),
    "through another": (Choice((1, 2)), Sequence((0, 2)), Literals((b"a",))),
    "behind what may be empty": (Choice((1, 3)), Sequence((2, 0)), Repeat(3), Literals((b"a",))),
    "in a repeat": (Choice((1, 2)), Repeat(0, 0, 3), Literals((b"a",))),
}


@pytest.mark.parametrize("name", LEFT_RECURSIVE)
def test_left_recursion_is_refused(name: str) -> None:
    with pytest.raises(GrammarError, match="begins with itself"):
        engine().start(program(*LEFT_RECURSIVE[name]))


def many_choices() -> Program:
    """All of which begin alike."""
    num_rules = 15_000
    parts = [Sequence((num_rules + 1, 0)) for _ in range(num_rules)]
    return program(Choice(tuple(range(1, num_rules + 2))), *parts, Literals((b"1", b"11")))


def nested_patterns() -> Program:
    return program(JsonString((Pattern("(a|b)*a(a|b){60}$"), Pattern("^(?=.*c)(?!.*d)")), 10**6))


HOSTILE = {
    "choices": many_choices(),
    "patterns": nested_patterns(),
    "unique": program(
        Array(rest=Item(other=1), is_unique=True), Literals(tuple(b"%d" % n for n in range(50_000)))
    ),
    "keys": optional_keys(4_000, is_ordered=False),
    "too many keys": optional_keys(5_000, is_ordered=False),
    "keys in order": optional_keys(5_000, is_ordered=True),
    "deep chain": chain(20_000),
    "many rules": chain(100_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_programs_end_soon_and_harm_nobody(name: str) -> None:
    shared = engine()
    other = after(shared.start(PROGRAMS["any value"]), b"[1,")
    third = after(shared.start(PROGRAMS["tree"]), b"{")
    began = time.process_time()
    try:
        state = shared.start(HOSTILE[name])
        for text in (b"", b'"', b"1", b"{", b"a"):
            (state.advance_bytes(text) or state).mask()
    except GrammarTooLarge:
        pass
    assert time.process_time() - began < 10
    assert not third.is_accepting
    assert allowed_ids(odd_vocabulary(), other)
    assert shared.num_cached_bytes <= 2**26


def test_what_is_warm_is_not_walked_again() -> None:
    warm = engine()
    warm.warm()
    num_bytes = warm.num_cached_bytes
    state = after(warm.start(program(Array(rest=Item(other=1)), JsonString())), b'["abc')
    state.mask()
    assert warm.num_cached_bytes - num_bytes < 20_000
