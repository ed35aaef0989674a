"""Specs: their programs, their keys, and what crosses a wire."""

from __future__ import annotations

import msgspec
import pytest

from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.spec import (
    Choices,
    Ebnf,
    GrammarSpec,
    JsonObject,
    JsonSchema,
    Regex,
    compile_spec,
    spec_key,
)
from tests.common.grammar.reference import accepts


@pytest.mark.parametrize(
    ("spec", "allowed", "refused"),
    [
        (JsonSchema({"type": "integer"}), "12", '"a"'),
        (JsonObject(), '{"a":[1,{"b":null}],"c":"é"}', "[1]"),
        (JsonObject(whitespace="free"), '{ "a" : 1 }', "{"),
        (Regex("[0-9]{3}|x+"), "xxx", "1234"),
        (Choices(("yes", "no", 'say "é"')), 'say "é"', "maybe"),
        (Ebnf('root ::= "a" root | "b"'), "aab", "a"),
    ],
    ids=repr,
)
def test_each_way_allows_its_texts(spec: GrammarSpec, allowed: str, refused: str) -> None:
    program = compile_spec(spec)
    assert accepts(program, allowed.encode())
    assert not accepts(program, refused.encode())


def test_what_nothing_fulfils_is_refused() -> None:
    for spec in (JsonSchema(False), Regex("a^b"), Ebnf('root ::= "a" root')):
        with pytest.raises(GrammarError, match="nothing fulfils it"):
            compile_spec(spec)


def test_a_choice_that_is_no_text_is_refused() -> None:
    with pytest.raises(GrammarError, match="Unicode"):
        compile_spec(Choices(("\ud800",)))


def test_keys_tell_specs_apart() -> None:
    schema = {"properties": {"a": {}, "b": {}}}
    other_order = {"properties": {"b": {}, "a": {}}}
    specs = [
        JsonSchema(schema),
        JsonSchema(other_order),
        JsonSchema(schema, SchemaOptions(property_order="any")),
        JsonSchema(schema, SchemaOptions(whitespace="free")),
        JsonObject(),
        Regex("a"),
        Choices(("a",)),
        Ebnf("a"),
    ]
    assert len({spec_key(spec) for spec in specs}) == len(specs)
    assert spec_key(JsonSchema(schema)) == spec_key(JsonSchema({**schema}))


def test_a_key_of_what_is_nested_too_deep_is_refused() -> None:
    schema: object = {}
    for _ in range(10_000):
        schema = [schema]
    with pytest.raises(GrammarTooLarge):
        spec_key(JsonSchema(schema))


def test_a_key_of_what_no_utf8_can_say_is_refused() -> None:
    with pytest.raises(GrammarError):
        spec_key(Regex("\ud800"))


def test_specs_cross_a_wire() -> None:
    for spec in (JsonSchema({"type": "null"}), Choices(("a", "b")), JsonObject()):
        wire = msgspec.msgpack.encode(spec)
        assert msgspec.msgpack.decode(wire, type=GrammarSpec) == spec
