"""Arrays whose items are all different, under vocabularies whose tokens hold several items."""

from __future__ import annotations

import itertools
import json
import random
import time

import pytest

from forge_common.grammar.engine import Engine, State
from forge_common.grammar.engine.memory import Memory
from forge_common.grammar.engine.state import Forced
from forge_common.grammar.engine.text_trees import NO_TEXTS, TextTrees
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import (
    AnyRule,
    Array,
    Choice,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    Pattern,
    Program,
    Property,
    Whitespace,
)
from forge_common.grammar.vocabulary import Vocabulary
from tests.common.grammar.engine.programs import allowed_ids, is_allowed
from tests.common.grammar.engine.vocabularies import demo_vocabulary
from tests.common.grammar.engine.writing import generate
from tests.common.grammar.reference import accepts

END = 0
ITEMS: dict[str, tuple[AnyRule, ...]] = {
    "two": (JsonString((Pattern("^(ab|cd)$"),), is_canonical=True),),
    "short": (JsonString((Pattern("^[ab]*$"),), max_length=1, is_canonical=True),),
    "any": (JsonString(is_canonical=True),),
    "counted": (JsonString(min_length=1, max_length=2, is_canonical=True),),
    "digits": (Number(is_integer=True, minimum="-1", maximum="12", is_canonical=True),),
    "numbers": (Number(is_canonical=True),),
    "listed": (Literals((b"1", b"12", b"121", b'"a"', b'"ab"', b"null")),),
    "mixed": (
        Choice((2, 3, 4)),
        Literals((b'"a"', b"1", b"true")),
        JsonString((Pattern("^a"), Pattern("b", is_negated=True)), is_canonical=True),
        Number(is_integer=True, minimum="0", maximum="2", is_canonical=True),
    ),
}
SHORT_ITEMS = (b'"a"', b'"b"', b'"ab"', b"1", b"2", b"12")
ALPHABETS = {"digits": b"12,[]0-", "numbers": b"12,[].-", "listed": b'12,"ab', "mixed": b'12,"a[]'}


def unique(
    name: str, fewest: int = 0, most: int | None = None, whitespace: Whitespace = "compact"
) -> Program:
    array = Array(rest=Item(1), min_items=fewest, max_items=most, is_unique=True)
    return Program((array, *ITEMS[name]), whitespace=whitespace)


def glued(alphabet: bytes, seed: int) -> Vocabulary:
    """Every byte, and many short runs of few of them: `","a","`, `1,1,`, `"]`."""
    rng = random.Random(seed)
    every_byte = [bytes([byte]) for byte in range(256)]
    runs = {bytes(rng.choices(alphabet, k=rng.randint(2, 7))) for _ in range(400)}
    runs |= {bytes(run) for run in itertools.product(alphabet, repeat=3)}
    parts = [b'"a"', b'"ab"', b'"cd"', b'"b"', b"1", b"12", b"2", b'""', b","]
    runs |= {b"".join(rng.choices(parts, k=rng.randint(2, 6))) for _ in range(250)}
    return Vocabulary([b"", *every_byte, *sorted(runs)], [END])


def few_runs(seed: int) -> Vocabulary:
    """So few that a token rarely has another one beside it that goes on as it should not."""
    rng = random.Random(seed)
    separators = (b",", b", ", b" ,", b" , ")
    runs = set()
    for _ in range(25):
        parts = [rng.choice(SHORT_ITEMS) for _ in range(rng.choice((2, 3, 3)))]
        run = parts[0] + b"".join(rng.choice(separators) + part for part in parts[1:])
        runs.add(run[rng.randrange(2) :])
    every_byte = [bytes([byte]) for byte in range(256)]
    return Vocabulary([b"", *every_byte, *sorted(runs)], [END])


def walk(vocabulary: Vocabulary, state: State, rng: random.Random) -> int:
    """Masks on a random way are what bytes allow, and never empty."""
    num_masks = 0
    here: State | None = state
    while here is not None and num_masks < 6:
        num_masks += 1
        allowed = allowed_ids(vocabulary, here)
        assert allowed
        assert allowed == [
            token_id
            for token_id in range(vocabulary.num_tokens)
            if is_allowed(vocabulary, here, token_id)
        ]
        going_on = [token_id for token_id in allowed if token_id != END]
        commas = [one for one in going_on if b"," in vocabulary.tokens[one]]
        if not going_on:
            break
        here = here.advance(rng.choice(commas if commas and rng.random() < 0.5 else going_on))
    return num_masks


@pytest.mark.parametrize("whitespace", ["compact", "free"])
@pytest.mark.parametrize("name", ITEMS)
def test_masks_are_what_bytes_allow(name: str, whitespace: Whitespace) -> None:
    rng = random.Random(name + whitespace)
    alphabet = ALPHABETS.get(name, b'ab"",[]d') + (b" " if whitespace == "free" else b"")
    vocabulary = glued(alphabet, seed=len(name))
    engine = Engine(vocabulary)
    for fewest, most in ((0, None), (2, None), (1, 2)):
        assert walk(vocabulary, engine.start(unique(name, fewest, most, whitespace)), rng)


@pytest.mark.parametrize("name", ["any", "numbers", "mixed"])
def test_masks_are_what_bytes_allow_where_tokens_hold_items_that_come_again(name: str) -> None:
    for seed in range(20):
        vocabulary, rng = few_runs(seed), random.Random(seed)
        state: State | None = Engine(vocabulary).start(unique(name, 0, None, "free"))
        state = state and state.advance_bytes(rng.choice((b"", b"[", b"[2,", b'["b", ', b'["a')))
        if state is not None:
            assert walk(vocabulary, state, rng)


@pytest.mark.parametrize("name", ITEMS)
def test_bytes_allow_what_the_slow_recogniser_does(name: str) -> None:
    rng = random.Random(name)
    items = [b'"a"', b'"ab"', b'"cd"', b'"b"', b"1", b"12", b"2", b'""', b"-1", b"null", b'"aa"']
    engine = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
    for fewest, most in ((0, None), (2, None), (1, 2)):
        program = unique(name, fewest, most)
        for _ in range(60):
            text = b"[" + b",".join(rng.choices(items, k=rng.randrange(4))) + b"]"
            state = engine.start(program).advance_bytes(text)
            assert (state is not None and state.is_accepting) == accepts(program, text), text


@pytest.mark.parametrize("name", ITEMS)
def test_hot_texts_end_and_hold_each_item_once(name: str) -> None:
    rng = random.Random(name)
    vocabulary = demo_vocabulary()
    engine = Engine(vocabulary)
    for length in (0, 2, 5, 9, 14):
        text = generate(vocabulary, engine.start(unique(name, 2)), rng, length)
        items = json.loads(text)
        assert len(items) >= 2
        assert len({json.dumps(item) for item in items}) == len(items)


def test_the_last_item_that_is_left_is_forced() -> None:
    state = Engine(demo_vocabulary()).start(unique("two", 2)).advance_bytes(b'["cd"')
    assert state is not None
    assert state.forced(20) == Forced(b',"ab"]', is_end=True)


def test_states_that_differ_in_their_items_are_not_one() -> None:
    start = Engine(demo_vocabulary()).start(unique("listed"))
    first, second = start.advance_bytes(b"[1,"), start.advance_bytes(b"[12,")
    assert first is not None
    assert second is not None
    assert first is not second
    assert first.advance_bytes(b"1]") is None
    assert second.advance_bytes(b"1]") is not None
    assert start.advance_bytes(b'[1,12,"a"') is start.advance_bytes(b'[12,1,"a"')


def test_arrays_within_arrays_remember_their_own_items() -> None:
    pair = (Property("a", 1, is_required=True), Property("b", 1, is_required=True))
    program = Program(
        (Object(pair), Array(rest=Item(2), is_unique=True, min_items=1), *ITEMS["two"])
    )
    state = Engine(demo_vocabulary()).start(program)
    assert state.advance_bytes(b'{"a":["ab"],"b":["ab","cd"]}') is not None
    assert state.advance_bytes(b'{"a":["ab"],"b":["ab","ab"') is None


def test_more_minimum_than_items_is_refused() -> None:
    with pytest.raises(GrammarError, match="different"):
        Engine(demo_vocabulary()).start(unique("two", 3))


def test_too_much_to_remember_ends_the_text() -> None:
    trees = TextTrees(Memory(2**24))
    with pytest.raises(GrammarTooLarge, match="remember"):
        trees.added(NO_TEXTS, b"a" * 70_000)
    state = Engine(demo_vocabulary()).start(unique("numbers"))
    with pytest.raises(GrammarTooLarge, match="remember"):
        state.advance_bytes(b"[" + b",".join(b"%d" % n for n in range(5_000)))


def test_sets_of_texts_are_one_whatever_their_order() -> None:
    trees = TextTrees(Memory(2**24))
    there = trees.added(trees.added(NO_TEXTS, b"ab"), b"a")
    back = trees.added(trees.added(NO_TEXTS, b"a"), b"ab")
    assert there is back
    assert (there.num_texts, there.num_bytes) == (2, 3)
    assert there.children[ord("a")].is_text
    assert NO_TEXTS.num_texts == 0


def test_masks_of_long_arrays_stay_cheap() -> None:
    items = b",".join(b'"item %d"' % index for index in range(200))
    state = Engine(demo_vocabulary()).start(unique("any")).advance_bytes(b"[" + items + b',"it')
    assert state is not None
    began = time.process_time()
    state.mask()
    assert time.process_time() - began < 0.5
