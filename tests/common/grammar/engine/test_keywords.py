"""Keyword arguments whose names all differ, under vocabularies whose tokens hold several."""

from __future__ import annotations

import random
from itertools import product

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine import Engine
from forge_common.grammar.program import (
    Literals,
    Number,
    Object,
    OtherProperties,
    Program,
    Property,
    Text,
    Whitespace,
)
from forge_common.grammar.vocabulary import Vocabulary
from tests.common.grammar.engine.programs import Liked, assert_masks_are_what_bytes_allow
from tests.common.grammar.reference import accepts

END = 0
LIKED = Liked(lambda token: b"," in token, 0.6)
NAMES = (b"a", b"b", b"ab", b"ba", b"c", b"abc")
VALUES = (b"1", b"12", b"True")
PARTS = (*NAMES, *VALUES, *(name + b"=" for name in NAMES), b",")


def keywords(
    names: str,
    fewest: int = 0,
    most: int | None = None,
    whitespace: Whitespace = "compact",
    is_ordered: bool = True,
) -> Program:
    """`a` and any of `names`."""
    rule = Object(
        (Property("a", 1),),
        (OtherProperties(2, 3),),
        fewest,
        most,
        is_ordered,
        is_distinct=True,
        style="keywords",
    )
    numbers = Number(is_integer=True, minimum="0", maximum="12")
    return Program((rule, numbers, Text(names), Literals((b"True", b"1"))), whitespace=whitespace)


def glued(seed: int, space: bytes) -> Vocabulary:
    """Every byte, and runs of arguments and of bits of them: `b=1,ab`."""
    rng = random.Random(seed)
    runs = set()
    for _ in range(400):
        run = space.join(rng.choices(PARTS, k=rng.randint(1, 6)))
        runs.add(run[rng.randrange(3) :][: rng.randrange(2, 20)])
        one = space.join((rng.choice(NAMES), b"=", rng.choice(VALUES), b","))
        runs.add((one * 2)[rng.randrange(4) : -rng.randrange(1, 4)])
    every_byte = [bytes([byte]) for byte in range(256)]
    return Vocabulary([b"", *every_byte, *sorted(runs - {b""} - set(every_byte))], [END])


OPEN = ("(?!a$)[abc]{1,3}", "(?!a$)[a-zA-Z_][a-zA-Z0-9_]{0,63}", "ab|b|ba")


@pytest.mark.parametrize("whitespace", ["compact", "free"])
@pytest.mark.parametrize("names", OPEN)
def test_masks_are_what_bytes_allow(names: str, whitespace: Whitespace) -> None:
    for seed, (fewest, most) in enumerate([(0, None), (2, None), (3, 3), (2, 4)]):
        rng = random.Random(f"{names}{whitespace}{seed}")
        vocabulary = glued(seed, b" " if whitespace == "free" and seed % 2 else b"")
        program = keywords(names, fewest, most, whitespace, is_ordered=bool(seed % 2))
        start = Engine(vocabulary).start(program)
        for _ in range(3):
            assert_masks_are_what_bytes_allow(vocabulary, start, rng, 9, LIKED)


@pytest.mark.parametrize("names", OPEN)
def test_bytes_allow_what_the_slow_recogniser_does(names: str) -> None:
    rng, automata = random.Random(names), AutomatonStore()
    engine = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
    num_accepted = 0
    for (fewest, most), is_ordered in product([(0, None), (2, 3)], [False, True]):
        program = keywords(names, fewest, most, is_ordered=is_ordered)
        start = engine.start(program)
        for _ in range(100):
            arguments = [
                rng.choice(NAMES) + b"=" + rng.choice(VALUES) for _ in range(rng.randrange(4))
            ]
            text = b"(" + b",".join(arguments) + b")"
            state = start.advance_bytes(text)
            found = state is not None and state.is_accepting
            assert found == accepts(program, text, automata), text
            num_accepted += found
    assert num_accepted > 10
