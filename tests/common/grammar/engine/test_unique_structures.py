"""Unique arrays of arrays and objects, and of items that differ by place."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import jsonschema
import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine import Engine
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Whitespace
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.grammar.vocabulary import Vocabulary
from tests.common.grammar.engine.programs import Liked, assert_masks_are_what_bytes_allow
from tests.common.grammar.engine.vocabularies import demo_vocabulary
from tests.common.grammar.engine.writing import generate
from tests.common.grammar.reference import accepts

END = 0
LIKED = Liked(lambda token: len(token) > 3, 0.7)


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties)[:1],
        "additionalProperties": False,
    }


LETTER = {"enum": ["a", "b"]}
DIGIT = {"type": "integer", "minimum": 0, "maximum": 12}
ITEMS: dict[str, Any] = {
    "finite objects": closed(a=LETTER, b={"type": "boolean"}),
    "objects": closed(a={"type": "string", "maxLength": 3}, b=LETTER),
    "arrays": {"type": "array", "items": DIGIT, "maxItems": 2},
    "numbers and arrays": {"type": ["integer", "array"], "items": LETTER, "maximum": 12},
    "constants": {"enum": [[1], [1, 2], {"a": 1}, {"a": [1]}, 1, "a"]},
    "nested": {"type": "array", "items": closed(a=DIGIT), "uniqueItems": True, "maxItems": 2},
    "kinds": {"anyOf": [closed(a=LETTER, b=DIGIT), closed(b=DIGIT, a=LETTER)]},
    "recursive": closed(a=DIGIT, b={"$ref": "#/items"}),
}
ARRAYS: dict[str, Any] = {
    **{name: {"items": item} for name, item in ITEMS.items()},
    "places": {"prefixItems": [{"type": "string"}, DIGIT], "items": {"type": ["string", "null"]}},
    "few at the end": {"prefixItems": [DIGIT, {"type": "integer"}], "items": {"enum": [1, 2, 3]}},
    "two": {"items": closed(a=LETTER), "minItems": 2},
}
PARTS = (
    *(b'{"a":"a"}', b'{"a":"b"}', b'{"a":"a","b":true}', b'{"a":1}', b'{"a":"a","b":1}', b"[1]"),
    *(b"[1,2]", b"[]", b'["a"]', b"1", b"12", b'"a"', b'{"a":1,"b":{"a":1}}', b'[{"a":1}]', b"2"),
)


def unique(name: str) -> dict[str, Any]:
    return {"type": "array", "uniqueItems": True, **ARRAYS[name]}


def glued(seed: int, separators: tuple[bytes, ...]) -> Vocabulary:
    """Every byte, and runs of items and of bits of them."""
    rng = random.Random(seed)
    runs = set()
    for _ in range(500):
        parts = rng.choices(PARTS, k=rng.randint(1, 3))
        run = rng.choice(separators).join(parts)
        runs.add(run[rng.randrange(4) :][: rng.randrange(2, 24)])
    every_byte = [bytes([byte]) for byte in range(256)]
    return Vocabulary([b"", *every_byte, *sorted(runs - {b""} - set(every_byte))], [END])


@pytest.mark.parametrize("whitespace", ["compact", "free"])
@pytest.mark.parametrize("name", ARRAYS)
def test_masks_are_what_bytes_allow(name: str, whitespace: Whitespace) -> None:
    program = compile_schema(unique(name), SchemaOptions(whitespace=whitespace))
    for seed in range(3):
        rng = random.Random(f"{name}{whitespace}{seed}")
        separators = (b",", b", ", b" ,") if whitespace == "free" else (b",",)
        vocabulary = glued(seed, separators)
        start = Engine(vocabulary).start(program)
        assert_masks_are_what_bytes_allow(vocabulary, start, rng, 10, LIKED)


@pytest.mark.parametrize("name", ARRAYS)
def test_bytes_allow_what_the_slow_recogniser_does(name: str) -> None:
    rng, automata = random.Random(name), AutomatonStore()
    program = compile_schema(unique(name), SchemaOptions())
    start = Engine(Vocabulary([bytes([byte]) for byte in range(256)])).start(program)
    num_accepted = 0
    for _ in range(300):
        items = rng.choices(rng.choice((PARTS, PARTS[:2])), k=rng.randrange(4))
        text = b"[" + b",".join(items) + b"]"
        state = start.advance_bytes(text)
        found = state is not None and state.is_accepting
        assert found == accepts(program, text, automata), text
        num_accepted += found
    assert num_accepted


@pytest.mark.parametrize("whitespace", ["compact", "free"])
@pytest.mark.parametrize("name", ARRAYS)
def test_hot_texts_end_and_validate(name: str, whitespace: Whitespace) -> None:
    rng, vocabulary = random.Random(name + whitespace), demo_vocabulary()
    validator = jsonschema.Draft202012Validator(unique(name))
    program = compile_schema(unique(name), SchemaOptions(whitespace=whitespace))
    start = Engine(vocabulary).start(program)
    for length in (0, 2, 5, 9, 20):
        validator.validate(json.loads(generate(vocabulary, start, rng, length)))


def test_white_space_makes_no_other_item() -> None:
    program = compile_schema(unique("objects"), SchemaOptions(whitespace="free"))
    start = Engine(demo_vocabulary()).start(program)
    assert start.advance_bytes(b'[{"a":"x"}, { "a" :"x" }') is None
    assert start.advance_bytes(b'[{"a":"x"}, { "a" :" x" }]') is not None


def test_arrays_close_when_no_item_is_left() -> None:
    start = Engine(demo_vocabulary()).start(compile_schema(unique("two"), SchemaOptions()))
    state = start.advance_bytes(b'[{"a":"b"}')
    assert state is not None
    forced = state.forced(30)
    assert (forced.text, forced.is_end) == (b',{"a":"a"}]', True)


def test_items_of_which_there_are_too_few_are_refused() -> None:
    schema = {"type": "array", "items": closed(a=LETTER), "uniqueItems": True, "minItems": 3}
    with pytest.raises(GrammarError, match="different"):
        Engine(demo_vocabulary()).start(compile_schema(schema, SchemaOptions()))


def test_places_for_which_an_item_may_be_missing_are_refused() -> None:
    places = [LETTER, {"const": "a"}]
    schema = {"type": "array", "prefixItems": places, "uniqueItems": True, "items": False}
    engine = Engine(demo_vocabulary())
    assert engine.start(compile_schema(schema, SchemaOptions())).advance_bytes(b'["b","a"]')
    with pytest.raises(GrammarError, match="left for place 1"):
        engine.start(compile_schema({**schema, "minItems": 2}, SchemaOptions()))
    apart = {**schema, "prefixItems": [DIGIT, {"const": "a"}], "minItems": 2}
    assert engine.start(compile_schema(apart, SchemaOptions())).advance_bytes(b'[3,"a"]')


def test_masks_of_long_arrays_stay_cheap() -> None:
    schema = {"items": closed(id={"type": "integer"}, tag=LETTER), "uniqueItems": True}
    program = compile_schema({"type": "array", **schema}, SchemaOptions())
    items = b",".join(b'{"id":%d,"tag":"a"}' % index for index in range(2000))
    state = Engine(demo_vocabulary()).start(program).advance_bytes(b"[" + items)
    began = time.process_time()
    for text in (b",", b"{", b'"id":', b"19", b"9", b',"tag":', b'"b"', b"}"):
        state = state and state.advance_bytes(text)
        assert state is not None
        state.mask()
    assert time.process_time() - began < 1
