"""Arguments as Python writes them: the values of the schema in its literals, and its names only."""

from __future__ import annotations

from typing import Any

import pytest

from forge_common.grammar.engine import Engine
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.productive import is_empty
from forge_common.grammar.program import Program
from forge_common.grammar.python_arguments import python_arguments
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.grammar.vocabulary import Vocabulary

ENGINE = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
SPACED = SchemaOptions("any", "free")


def arguments_of(schema: Any, options: SchemaOptions = SPACED) -> Program:
    return python_arguments(compile_schema(schema, options))


def accepts(program: Program, text: str) -> bool:
    state = ENGINE.start(program).advance_bytes(text.encode())
    return state is not None and state.is_accepting


def of(schema: Any) -> Program:
    """Of a call with one argument."""
    return arguments_of({"type": "object", "properties": {"a": schema}, "required": ["a"]})


@pytest.mark.parametrize(
    ("schema", "literal"),
    [
        ({"type": "boolean"}, "True"),
        ({"const": False}, "False"),
        ({"type": ["null", "string"]}, "None"),
        ({"enum": [[True, {"x": None}], "true"]}, '[True, {"x": None}]'),
        ({"enum": [[True], "true"]}, '"true"'),
        ({"type": "string"}, '"\\"\\\\\\n\\u0001/é😀\x7f\u2028"'),
        ({"type": "string", "pattern": "^/"}, '"/"'),
        ({"type": "number"}, "-1.50e+3"),
        ({}, '{"a": [True, {"": None}], "b/": -0.0}'),
        ({"type": "array", "uniqueItems": True, "items": {"type": "boolean"}}, "[True, False]"),
        ({"type": "object", "properties": {"x-y": {"const": None}}}, '{ "x-y" : None }'),
        ({"type": "object", "propertyNames": {"pattern": "^n"}}, '{"null": "null"}'),
    ],
)
def test_values_are_literals_of_python(schema: Any, literal: str) -> None:
    assert accepts(of(schema), f"(a={literal})")
    assert accepts(of(schema), f"( a = {literal} )")


@pytest.mark.parametrize(
    ("schema", "literal"),
    [
        ({"type": "boolean"}, "true"),
        ({}, "null"),
        ({}, "[nul]"),
        ({"enum": [[True]]}, "[true]"),
        ({"type": "string"}, '"\\/"'),
        ({"type": "string"}, '"\\ud83d\\ude00"'),
        ({"type": "string"}, '"\\u00e9"'),
        ({"type": "string", "pattern": "^/"}, '"\\/"'),
        ({"type": "object"}, '{"\\/": 1}'),
        ({"type": "string"}, "'a'"),
        ({"type": "string"}, '"\n"'),
        ({"type": "number"}, "+1"),
        ({"type": "number"}, "1_0"),
        ({"type": "array"}, "(1, 2)"),
    ],
)
def test_what_python_reads_otherwise_is_never_written(schema: Any, literal: str) -> None:
    assert not accepts(of(schema), f"(a={literal})")


PERSON = {
    "type": "object",
    "properties": {"from": {"type": "integer"}, "größe": {"type": "null"}, "c": {"const": 1}},
    "required": ["from"],
}


def test_each_argument_comes_at_most_once_and_those_that_must() -> None:
    ordered, free = arguments_of(PERSON, SchemaOptions()), arguments_of(PERSON)
    assert accepts(ordered, "(from=1,größe=None,c=1)")
    assert accepts(ordered, "(from=1,c=1)")
    assert not accepts(ordered, "(c=1,from=1)")
    assert not accepts(ordered, "(from=1, c=1)")
    assert accepts(free, "(c=1, from=1)")
    for text in ("()", "(c=1)", "(from=1, from=1)", "(from=1, d=1)", "(from=1,)", "(1)"):
        assert not accepts(free, text)


def test_names_are_free_only_where_the_schema_names_none() -> None:
    anything = arguments_of({"type": "object", "additionalProperties": {"type": "boolean"}})
    assert accepts(anything, "()")
    assert accepts(anything, "(a=True, _b2=False, ab=True)")
    for text in ("(a=1)", "(a=True, a=True)", "(2a=True)", '("a"=True)', "(a-b=True)", "(é=True)"):
        assert not accepts(anything, text)
    without = arguments_of({"type": "object", "properties": {"a": False}, "maxProperties": 1})
    assert accepts(without, "(ab=[1])")
    assert not accepts(without, "(a=1)")
    assert not accepts(without, "(b=1, c=1)")
    assert accepts(arguments_of({}), '(x={"y": None})')
    patterned = arguments_of({"type": "object", "patternProperties": {"^x": {"type": "null"}}})
    assert accepts(patterned, "()")
    assert not accepts(patterned, "(x=1)")


def test_objects_that_are_alternatives_or_constants() -> None:
    either = arguments_of({"anyOf": [PERSON, {"const": {"c": [True]}}, {"type": "string"}]})
    assert accepts(either, "(from=1)")
    assert accepts(either, "(c=[True])")
    assert not accepts(either, '"a"')


def test_an_object_is_a_dict_where_it_is_a_value() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#"}, "class": {"type": "boolean"}},
        "additionalProperties": False,
    }
    program = arguments_of(node)
    assert accepts(program, '(next={"next": {"class": True}}, class=False)')
    assert not accepts(program, "(next=(class=True))")
    assert not accepts(program, '{"class": True}')


@pytest.mark.parametrize("name", ["a-b", "2a", "", "a b", "$ref", "a.b", "a" * 257, "a\u0301"])
def test_a_name_that_no_argument_can_have_is_refused(name: str) -> None:
    schema = {"type": "object", "properties": {"ok": {}, name: {"type": "string"}}}
    with pytest.raises(GrammarError) as caught:
        arguments_of(schema)
    assert repr(name) in caught.value.message
    assert (caught.value.keyword, caught.value.pointer) == ("properties", "")


def test_nothing_is_left_where_no_object_can_be_said() -> None:
    for schema in ({"type": "string"}, False, {**PERSON, "minProperties": 4}):
        assert is_empty(arguments_of(schema))
