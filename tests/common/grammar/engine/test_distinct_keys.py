"""Objects whose keys all differ, under vocabularies whose tokens hold several members."""

from __future__ import annotations

import json
import random
import time
from itertools import pairwise

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine import Engine
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import (
    AnyRule,
    JsonString,
    Number,
    Object,
    OtherProperties,
    Pattern,
    Program,
    Property,
    Whitespace,
)
from forge_common.grammar.vocabulary import Vocabulary
from tests.common.grammar.engine.programs import Liked, assert_masks_are_what_bytes_allow
from tests.common.grammar.engine.vocabularies import demo_vocabulary
from tests.common.grammar.engine.writing import generate
from tests.common.grammar.reference import accepts

END = 0
LIKED = Liked(lambda token: b"," in token, 0.6)
VALUES: tuple[AnyRule, ...] = (
    Number(is_integer=True, minimum="0", maximum="12"),
    JsonString(max_length=1),
)
KEYS: dict[str, tuple[JsonString, ...]] = {
    "any": (JsonString(excluded=("a",), is_canonical=True),),
    "two": (JsonString((Pattern("^(ab|cd)$"),), is_canonical=True),),
    "few": (JsonString((Pattern("^[bc]*$"),), max_length=2, is_canonical=True),),
    "kinds": (
        JsonString((Pattern("^b[bc]?$"),), is_canonical=True),
        JsonString((Pattern("^b", is_negated=True),), excluded=("a",), is_canonical=True),
    ),
    "kinds that meet": (
        JsonString((Pattern("^b[bc]?$"),), is_canonical=True),
        JsonString((Pattern("^(c|bb)$"),), is_canonical=True),
    ),
}
PARTS = (b'"a":', b'"b":', b'"c":', b'"bb":', b'"ab":', b'"cd":', b"1", b"12", b'""', b",", b'"b"')


def distinct(
    name: str,
    fewest: int = 0,
    most: int | None = None,
    whitespace: Whitespace = "compact",
    is_ordered: bool = True,
) -> Program:
    keys = KEYS[name]
    rule = Object(
        (Property("a", 1),),
        tuple(OtherProperties(3 + index, 1 + index % 2) for index in range(len(keys))),
        fewest,
        most,
        is_ordered,
        is_distinct=True,
    )
    return Program((rule, *VALUES, *keys), whitespace=whitespace)


def glued(seed: int, space: bytes) -> Vocabulary:
    """Every byte, and runs of members and of bits of them: `b":1,"b`."""
    rng = random.Random(seed)
    runs = set()
    for _ in range(400):
        run = space.join(rng.choices(PARTS, k=rng.randint(1, 6)))
        runs.add(run[rng.randrange(3) :][: rng.randrange(2, 20)])
        member = space.join((rng.choice(PARTS[:6]), rng.choice(PARTS[6:9]), b","))
        runs.add((member * 2)[rng.randrange(4) : -rng.randrange(1, 4)])
    every_byte = [bytes([byte]) for byte in range(256)]
    return Vocabulary([b"", *every_byte, *sorted(runs - {b""} - set(every_byte))], [END])


@pytest.mark.parametrize("whitespace", ["compact", "free"])
@pytest.mark.parametrize("name", KEYS)
def test_masks_are_what_bytes_allow(name: str, whitespace: Whitespace) -> None:
    for seed, (fewest, most) in enumerate([(0, None), (2, None), (3, 3), (2, 4)]):
        if fewest == 3 and name == "two" and seed == 3:
            continue
        rng = random.Random(f"{name}{whitespace}{seed}")
        vocabulary = glued(seed, b" " if whitespace == "free" and seed % 2 else b"")
        program = distinct(name, fewest, most, whitespace, is_ordered=bool(seed % 2))
        start = Engine(vocabulary).start(program)
        assert_masks_are_what_bytes_allow(vocabulary, start, rng, 9, LIKED)


@pytest.mark.parametrize("name", KEYS)
def test_bytes_allow_what_the_slow_recogniser_does(name: str) -> None:
    rng, automata = random.Random(name), AutomatonStore()
    engine = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
    num_accepted = 0
    for fewest, most, is_ordered in (
        (0, None, False),
        (2, None, True),
        (1, 2, False),
        (3, 3, True),
    ):
        program = distinct(name, fewest, most, is_ordered=is_ordered)
        start = engine.start(program)
        for _ in range(120):
            members = [
                rng.choice(PARTS[:6]) + rng.choice(PARTS[6:9]) for _ in range(rng.randrange(4))
            ]
            text = b"{" + b",".join(members) + b"}"
            state = start.advance_bytes(text)
            found = state is not None and state.is_accepting
            assert found == accepts(program, text, automata), text
            num_accepted += found
    assert num_accepted > 10


@pytest.mark.parametrize("name", KEYS)
def test_hot_texts_end_and_hold_each_key_once(name: str) -> None:
    rng, vocabulary = random.Random(name), demo_vocabulary()
    engine = Engine(vocabulary)
    for length in (0, 2, 5, 9, 14):
        text = generate(vocabulary, engine.start(distinct(name, 3)), rng, length)
        keys = [key for key, _ in json.loads(text, object_pairs_hook=list)]
        assert len(keys) >= 3
        assert len(set(keys)) == len(keys)


def test_the_last_key_that_is_left_is_forced() -> None:
    start = Engine(demo_vocabulary()).start(distinct("two", 2))
    state = start.advance_bytes(b'{"cd":1')
    assert state is not None
    assert state.advance_bytes(b"}") is None
    comma = state.advance_bytes(b",")
    assert comma is not None
    assert comma.forced(20).text == b'"ab":'


def test_fewer_keys_than_there_must_be_are_refused() -> None:
    with pytest.raises(GrammarError, match="different keys"):
        Engine(demo_vocabulary()).start(distinct("two", 4))


def test_masks_of_large_objects_stay_cheap() -> None:
    members = b",".join(b'"key %d":1' % index for index in range(2000))
    state = (
        Engine(demo_vocabulary())
        .start(distinct("any", 2))
        .advance_bytes(b"{" + members + b',"key ')
    )
    assert state is not None
    began = time.process_time()
    state.mask()
    assert time.process_time() - began < 0.2
    for first, second in pairwise((b"1", b"99", b"1999")):
        assert state.advance_bytes(first + b'"') is None
        assert state.advance_bytes(second + b'x"') is not None
