"""How values are written: the order of properties, white space, numbers, constants."""

from __future__ import annotations

import pytest

from forge_common.grammar.schema.compiler import SchemaOptions
from tests.common.grammar.schema.languages import Languages

OBJECT = {
    "type": "object",
    "properties": {"b": {"type": "integer"}, "a": {"type": "integer"}},
    "required": ["c"],
}
FREE = SchemaOptions(whitespace="free")
ANY_ORDER = SchemaOptions(property_order="any")


@pytest.fixture(scope="module")
def languages() -> Languages:
    return Languages()


@pytest.mark.parametrize(
    "text", ['{"b":1,"a":2,"c":3}', '{"c":3}', '{"a":2,"c":3}', '{"b":1,"c":3,"x":null,"y":[]}']
)
def test_properties_come_in_the_order_of_the_schema_with_all_others_behind(
    text: str, languages: Languages
) -> None:
    assert languages.allows_text(OBJECT, text)


@pytest.mark.parametrize("text", ['{"a":2,"b":1,"c":3}', '{"x":0,"c":3}', '{"c":3,"b":1}'])
def test_another_order_has_to_be_asked_for(text: str, languages: Languages) -> None:
    assert not languages.allows_text(OBJECT, text)
    assert languages.allows_text(OBJECT, text, ANY_ORDER)


def test_a_named_key_comes_once(languages: Languages) -> None:
    assert not languages.allows_text(OBJECT, '{"c":3,"c":4}', ANY_ORDER)


def test_white_space_has_to_be_asked_for(languages: Languages) -> None:
    assert not languages.allows_text(OBJECT, '{"c": 3}')
    assert languages.allows_text(OBJECT, '{ "b" :1 ,\n "c": 3 }', FREE)
    assert not languages.allows_text({"type": "integer"}, "1 2", FREE)


def test_properties_of_all_parts_are_in_order(languages: Languages) -> None:
    schema = {
        "allOf": [{"properties": {"a": {"type": "null"}}}, {"properties": {"b": {"type": "null"}}}],
        "properties": {"z": {"type": "null"}},
        "additionalProperties": {"type": "null"},
    }
    assert languages.allows_text(schema, '{"z":null,"a":null,"b":null,"q":null}')
    assert not languages.allows_text(schema, '{"b":null,"a":null}')


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2"), (1e3, "1000"), (0.5, "0.5"), (1e-7, "0.0000001"), (-0.0, "0")]
)
def test_constant_numbers_are_written_plainly(
    value: float, text: str, languages: Languages
) -> None:
    assert languages.allows_text({"const": value}, text)


def test_constants_within_constants_keep_their_order(languages: Languages) -> None:
    schema = {"const": {"b": [1, "x"], "a": {}}}
    assert languages.allows_text(schema, '{"b":[1,"x"],"a":{}}')
    assert not languages.allows_text(schema, '{"a":{},"b":[1,"x"]}')


@pytest.mark.parametrize("text", ['"\\u0041"', '"A"', '"\\n"'])
def test_free_strings_may_be_escaped(text: str, languages: Languages) -> None:
    assert languages.allows_text({"type": "string"}, text)


def test_patterned_strings_are_written_with_the_shortest_escapes(languages: Languages) -> None:
    schema = {"type": "string", "pattern": "^A$"}
    assert languages.allows_text(schema, '"A"')
    assert not languages.allows_text(schema, '"\\u0041"')


def test_text_behind_a_value_is_not_allowed(languages: Languages) -> None:
    assert not languages.allows_text({"const": 1}, "1 ")
    assert not languages.allows_text({"type": "object"}, "{}{}")


@pytest.mark.parametrize("text", ['{"b":1,"b":2}', '{"a":1,"b":2,"\\u0062":3}', '{"a":1,"a":2}'])
def test_a_key_that_is_written_twice_does_not_count_twice(text: str) -> None:
    schema = {"minProperties": 2, "properties": {"a": {}}, "type": "object"}
    assert not Languages().allows_text(schema, text)
    assert Languages().allows_text(schema, '{"a":1,"b":2,"ab":3}')
