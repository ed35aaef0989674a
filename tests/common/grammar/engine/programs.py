"""Programs that the tests of the engine share, and how to draw texts from them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from forge_common.grammar.engine import State
from forge_common.grammar.program import (
    AnyRule,
    AnyValue,
    Array,
    Choice,
    Contains,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    OtherProperties,
    Pattern,
    Program,
    Property,
    Repeat,
    Sequence,
    Text,
    Whitespace,
)
from forge_common.grammar.vocabulary import Vocabulary

END_ID = 0


def program(*rules: AnyRule, whitespace: Whitespace = "compact") -> Program:
    return Program(rules, whitespace=whitespace)


def person(is_ordered: bool) -> Program:
    return program(
        Object(
            (Property("name", 1, True), Property("näme", 2), Property("tags", 3)),
            (OtherProperties(4, 5),),
            is_ordered=is_ordered,
        ),
        JsonString(min_length=1, max_length=6),
        Number(is_integer=True, minimum="-3", maximum="120"),
        Array(rest=Item(other=1), max_items=3),
        JsonString(excluded=("name", "näme", "tags")),
        Choice((1, 2)),
    )


def tree(whitespace: Whitespace) -> Program:
    return program(
        Object((Property("value", 1, True), Property("children", 2, True))),
        JsonString(),
        Array(rest=Item(other=0)),
        whitespace=whitespace,
    )


def optional_keys(num_keys: int, is_ordered: bool) -> Program:
    keys = (Property(f"key_{index}", 1) for index in range(num_keys))
    return program(Object(tuple(keys), is_ordered=is_ordered), Number(is_integer=True))


PROGRAMS = {
    "literals": program(Literals((b'"abc"', b'"abd"', b"12", "é€😀".encode()))),
    "text": program(Text("[a-zé]{1,3}(-[0-9😀]+)*")),
    "integer": program(Number(is_integer=True, minimum="17", maximum="2042")),
    "number": program(Number(minimum="-0.5", exclusive_maximum="1e3")),
    "free string": program(JsonString()),
    "counted string": program(JsonString(min_length=2, max_length=5)),
    "long string": program(JsonString(min_length=10**9)),
    "pattern": program(JsonString(patterns=(Pattern("^[a-zé]+(-[a-z]+)*$"),))),
    "counted pattern": program(
        JsonString(patterns=(Pattern("^(aa|b-?)+$"),), min_length=3, max_length=4)
    ),
    "excluded": program(JsonString(excluded=("a", "ab", "é", 'q"'), max_length=3)),
    "any value": program(AnyValue()),
    "any value, spaced": program(AnyValue(), whitespace="free"),
    "array": program(Array(rest=Item(other=1), min_items=1, max_items=3), Number()),
    "tuple": program(
        Array((Item(other=1), Item(other=2)), Item(other=1), min_items=1),
        JsonString(),
        Literals((b"1", b"2")),
    ),
    "contains": program(
        Array(rest=Item(other=1, matching=2), max_items=4, contains=Contains(2, 3)),
        Literals((b"0",)),
        Literals((b"1", b"22")),
    ),
    "unique": program(
        Array(rest=Item(other=1), is_unique=True, min_items=2),
        Literals((b"1", b"12", b'"a"')),
    ),
    "unique strings": program(
        Array(rest=Item(other=1), is_unique=True, max_items=4),
        JsonString(max_length=3, is_canonical=True),
    ),
    "few unique strings": program(
        Array(rest=Item(other=1), is_unique=True, min_items=4),
        JsonString((Pattern("^[ab]{0,2}$"),), is_canonical=True),
    ),
    "unique scalars, spaced": program(
        Array(rest=Item(other=1), is_unique=True, min_items=1, max_items=6),
        Choice((2, 3, 4)),
        JsonString((Pattern("^a"),), max_length=2, is_canonical=True),
        Number(is_canonical=True, minimum="-2", maximum="12.5"),
        Literals((b"null", b'"ab"', b"1")),
        whitespace="free",
    ),
    "ordered object": person(is_ordered=True),
    "unordered object": person(is_ordered=False),
    "counted object": program(
        Object(
            (Property("a", 1), Property("b", 1, True), Property("c", 1)),
            (OtherProperties(2, 1),),
            min_properties=2,
            max_properties=3,
            is_ordered=False,
        ),
        Literals((b"1", b"true")),
        Literals((b'"d"',)),
    ),
    "keywords": program(
        Object(
            (Property("a", 1, True), Property("größe", 1), Property("ab", 2)),
            is_ordered=False,
            style="keywords",
        ),
        Literals((b"1", b"True")),
        JsonString(max_length=2),
    ),
    "open keywords, spaced": program(
        Object(
            others=(OtherProperties(1, 2),), max_properties=3, is_distinct=True, style="keywords"
        ),
        Text("(?!(?:a|bb)$)[abc]{1,2}"),
        Literals((b"1", b'"a,b=1"')),
        whitespace="free",
    ),
    "tree": tree("compact"),
    "tree, spaced": tree("free"),
    "choice": program(Choice((1, 2, 3)), JsonString(), Literals((b'"a":', b"null")), Number()),
    "sequence": program(
        Sequence((1, 2, 1, 3)), Repeat(2, 0, 1), Literals((b"a", b"ab")), Literals((b"", b"b"))
    ),
    "repeat": program(Repeat(1, 2, 4), Literals((b"a", b"aab", "€".encode()))),
    "empty repeats": program(Repeat(1, 3, None), Repeat(2, 0, 2), Literals((b"", b"xy", b"z"))),
    "right recursion": program(
        Sequence((1, 2)), Literals((b"a", b"aa")), Choice((3, 0)), Literals((b"", b"."))
    ),
    "palindromes": program(
        Choice((1, 2, 3)), Sequence((4, 0, 4)), Literals((b"",)), Literals((b"c",)), Text("[ab]")
    ),
}


class Liked(NamedTuple):
    """Tokens that a walk takes in so many of its steps where there are any."""

    is_liked: Callable[[bytes], bool]
    share: float


def is_allowed(vocabulary: Vocabulary, state: State, token_id: int) -> bool:
    """By bytes alone, without any mask."""
    if token_id in vocabulary.end_ids:
        return state.is_accepting
    token = vocabulary.tokens[token_id]
    return bool(token) and state.advance_bytes(token) is not None


def allowed_ids(vocabulary: Vocabulary, state: State) -> list[int]:
    bits = np.unpackbits(state.mask().view(np.uint8), bitorder="little")
    return np.flatnonzero(bits).tolist()


def assert_masks_are_what_bytes_allow(
    vocabulary: Vocabulary, start: State, rng: random.Random, num_steps: int, liked: Liked
) -> None:
    """At each step of a walk, which may come to its end before."""
    here: State | None = start
    for _ in range(num_steps):
        assert here is not None
        allowed = allowed_ids(vocabulary, here)
        assert allowed
        every = range(vocabulary.num_tokens)
        assert allowed == [one for one in every if is_allowed(vocabulary, here, one)]
        going_on = [one for one in allowed if one not in vocabulary.end_ids]
        chosen = [one for one in going_on if liked.is_liked(vocabulary.tokens[one])]
        if not going_on:
            break
        is_led = chosen and rng.random() < liked.share
        here = here.advance(rng.choice(chosen if is_led else going_on))


def draw_text(
    vocabulary: Vocabulary, state: State, rng: random.Random, max_tokens: int
) -> tuple[bytes, bool]:
    """The bytes of random tokens, and whether an end token came."""
    text = b""
    for _ in range(max_tokens):
        token_id = rng.choice(allowed_ids(vocabulary, state))
        if token_id in vocabulary.end_ids:
            return text, True
        following = state.advance(token_id)
        assert following is not None
        state = following
        text += vocabulary.tokens[token_id]
    return text, False
