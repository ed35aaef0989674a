"""Random programs: masks are exact and never empty, and every start leads to an end."""

from __future__ import annotations

import random

import pytest

from forge_common.grammar.engine import Engine, State
from forge_common.grammar.errors import GrammarError
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
)
from tests.common.grammar.engine.programs import allowed_ids, is_allowed
from tests.common.grammar.engine.random_programs import SCALARS
from tests.common.grammar.engine.reference import Reference
from tests.common.grammar.engine.vocabularies import odd_vocabulary
from tests.common.grammar.engine.writing import generate

NUM_PROGRAMS = 80
NUM_TOKENS = 8
PIECES = ("a", "ab", "[]", "{}", "1", ",1", '"a"', '"ab"', "[1]", '{"a":1}', "é", "12", "null")
LEAVES: tuple[AnyRule, ...] = (
    Literals((b"",)),
    Literals((b"a", b"ab", b"")),
    Literals((b'"a"', b'"ab"', b"12")),
    Literals(("é".encode(), "😀a".encode())),
    Text("(ab?|é)*"),
    Number(is_integer=True, minimum="-5", maximum="130"),
    Number(),
    JsonString(max_length=2),
    JsonString(excluded=("a", "name")),
    JsonString((Pattern("^[ab]+$"),), 2, 3),
    AnyValue(),
)


def random_program(rng: random.Random) -> Program:
    num_rules = rng.randint(2, 7)
    rules = [random_rule(rng, num_rules) for _ in range(num_rules)]
    return Program((*rules, *SCALARS), whitespace=rng.choice(("compact", "free")))


def random_rule(rng: random.Random, num_rules: int) -> AnyRule:
    def some() -> int:
        return rng.randrange(num_rules)

    def count() -> int | None:
        return rng.choice((None, None, 0, 1, 2, 5))

    match rng.randrange(8):
        case 0:
            return Choice(tuple(some() for _ in range(rng.randint(1, 3))))
        case 1:
            return Sequence(tuple(some() for _ in range(rng.randint(0, 3))))
        case 2:
            return Repeat(some(), count() or 0, count())
        case 3:
            return random_array(rng, num_rules)
        case 4:
            return random_object(rng, num_rules)
        case _:
            return rng.choice(LEAVES)


def random_array(rng: random.Random, num_rules: int) -> Array:
    def item() -> Item:
        return Item(*(rng.choice((None, rng.randrange(num_rules))) for _ in range(2)))

    if rng.random() < 0.25:
        scalars = Item(num_rules + rng.randrange(len(SCALARS)))
        most = rng.choice((None, 2, 3))
        return Array((), scalars, rng.choice((0, 2)), most, is_unique=True)
    return Array(
        tuple(item() for _ in range(rng.choice((0, 0, 1, 2)))),
        rng.choice((None, item(), item())),
        rng.choice((0, 0, 1, 2)),
        rng.choice((None, 2, 3)),
        rng.choice((None, Contains(1), Contains(0, 1), Contains(2, 2))),
    )


def random_object(rng: random.Random, num_rules: int) -> Object:
    keys = rng.sample(["a", "ab", "name", "é"], rng.randint(0, 3))
    properties = (Property(key, rng.randrange(num_rules), rng.random() < 0.3) for key in keys)
    others = (OtherProperties(*(rng.randrange(num_rules) for _ in range(2))) for _ in range(1))
    return Object(
        tuple(properties),
        rng.choice(((), tuple(others))),
        rng.choice((0, 0, 1, 2)),
        rng.choice((None, None, 2, 3)),
        rng.random() < 0.5,
    )


def check_and_go_on(state: State, rng: random.Random) -> State | None:
    vocabulary = odd_vocabulary()
    allowed = allowed_ids(vocabulary, state)
    assert allowed
    assert allowed == [
        token_id
        for token_id in range(vocabulary.num_tokens)
        if is_allowed(vocabulary, state, token_id)
    ]
    return state.advance(rng.choice(allowed))


@pytest.mark.parametrize("seed", range(5))
def test_masks_of_random_programs_are_exact_and_never_empty(seed: int) -> None:
    rng = random.Random(seed)
    engine = Engine(odd_vocabulary(), max_bytes=2**20)
    num_started = 0
    for _ in range(NUM_PROGRAMS):
        try:
            state: State | None = engine.start(random_program(rng))
        except GrammarError:
            continue
        num_started += 1
        for _ in range(NUM_TOKENS):
            state = state and check_and_go_on(state, rng)
    assert num_started > NUM_PROGRAMS / 4


def mutated(text: str, rng: random.Random) -> str:
    """One piece taken out, put in, or written twice."""
    first, end = sorted(rng.choices(range(len(text) + 1), k=2))
    put_in = rng.choice(("", text[first:end] * 2, *PIECES))
    return text[:first] + put_in + text[end:]


@pytest.mark.parametrize("seed", range(5))
def test_random_programs_accept_what_a_plain_reading_of_them_accepts(seed: int) -> None:
    rng = random.Random(seed)
    engine = Engine(odd_vocabulary())
    num_accepted = 0
    for _ in range(NUM_PROGRAMS):
        program = random_program(rng)
        program = Program(program.rules)
        try:
            start = engine.start(program)
        except GrammarError as error:
            if "no text" in error.reason:
                assert not any(Reference(program, text).accepts(0) for text in ("", *PIECES))
            continue
        for text in texts_of(start, rng):
            state = start.advance_bytes(text.encode())
            expected = Reference(program, text).accepts(0)
            assert (state is not None and state.is_accepting) == expected, (program, text)
            num_accepted += expected
    assert num_accepted > NUM_PROGRAMS


def texts_of(start: State, rng: random.Random) -> list[str]:
    found = ["", *rng.sample(PIECES, 3)]
    for _ in range(3):
        try:
            text = generate(odd_vocabulary(), start, rng, rng.choice((0, 2, 4))).decode()
        except AssertionError:
            continue  # no end found in time
        if len(text) <= 24:
            found += [text, *(mutated(text, rng) for _ in range(4))]
    return found
