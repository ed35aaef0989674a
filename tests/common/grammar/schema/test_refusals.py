"""What cannot be expressed exactly, or is no schema, is refused with its pointer and keyword."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from forge_common.grammar.errors import GrammarError
from tests.common.grammar.schema.languages import Languages


class Refusal(NamedTuple):
    schema: Any
    pointer: str
    keyword: str | None


UNSUPPORTED = [
    Refusal({"items": {"type": "object"}, "uniqueItems": True}, "", "uniqueItems"),
    Refusal({"items": {"type": ["string", "object"]}, "uniqueItems": True}, "", "uniqueItems"),
    Refusal({"items": {"type": "array"}, "uniqueItems": True}, "", "uniqueItems"),
    Refusal({"prefixItems": [{"type": "string"}], "uniqueItems": True}, "", "uniqueItems"),
    Refusal(
        {
            "$defs": {"open": {"patternProperties": {"^a": {"type": "null"}}, "type": "object"}},
            "properties": {
                "a": {"items": {"items": {"$ref": "#/$defs/open"}}, "uniqueItems": True},
            },
        },
        "/properties/a",
        "uniqueItems",
    ),
    Refusal(
        {"items": {"type": "integer"}, "contains": {"const": 1}, "uniqueItems": True},
        "",
        "uniqueItems",
    ),
    Refusal({"properties": {"a": {"uniqueItems": True}}}, "/properties/a", "uniqueItems"),
    Refusal(
        {"anyOf": [{"properties": {"a": {}}}, {}], "unevaluatedProperties": False},
        "/unevaluatedProperties",
        "unevaluatedProperties",
    ),
    Refusal(
        {"items": {"unevaluatedItems": False, "contains": {"const": 1}}},
        "/items/unevaluatedItems",
        "unevaluatedItems",
    ),
    Refusal({"not": {"uniqueItems": True}}, "/not/uniqueItems", "uniqueItems"),
    Refusal({"not": {"patternProperties": {"a": {"type": "null"}}}}, "", "patternProperties"),
    Refusal(
        {"not": {"properties": {"a": {}}, "additionalProperties": False}},
        "",
        "additionalProperties",
    ),
    Refusal({"not": {"propertyNames": {"maxLength": 3}}}, "", "propertyNames"),
    Refusal({"allOf": [{"contains": {"const": 1}}, {"contains": {"const": 2}}]}, "", "contains"),
    Refusal({"not": {"const": [1]}}, "", "not"),
    Refusal({"$ref": "http://forge.test/elsewhere"}, "/$ref", "$ref"),
    Refusal({"format": "regex"}, "/format", "format"),
    Refusal({"pattern": "(a)\\1"}, "/pattern", "pattern"),
    Refusal(
        {"patternProperties": {"(a)\\1": {}}, "type": "object"},
        "/patternProperties",
        "patternProperties",
    ),
    Refusal({"$schema": "http://json-schema.org/draft-03/schema#"}, "", "$schema"),
]
MALFORMED = [
    Refusal([], "", None),
    Refusal({"properties": {"a": 5}}, "/properties/a", None),
    Refusal({"type": "text"}, "/type", "type"),
    Refusal({"type": 5}, "/type", "type"),
    Refusal({"required": True}, "/required", "required"),
    Refusal({"required": [1]}, "/required", "required"),
    Refusal({"enum": 5}, "/enum", "enum"),
    Refusal({"minLength": -1}, "/minLength", "minLength"),
    Refusal({"maxItems": 1.5}, "/maxItems", "maxItems"),
    Refusal({"minimum": "1"}, "/minimum", "minimum"),
    Refusal({"multipleOf": 0}, "/multipleOf", "multipleOf"),
    Refusal({"pattern": "(a"}, "/pattern", "pattern"),
    Refusal({"pattern": 5}, "/pattern", "pattern"),
    Refusal({"properties": []}, "/properties", "properties"),
    Refusal({"anyOf": {}}, "/anyOf", "anyOf"),
    Refusal({"uniqueItems": 1}, "/uniqueItems", "uniqueItems"),
    Refusal({"$ref": 5}, "/$ref", "$ref"),
    Refusal({"$ref": "#/nowhere"}, "/$ref", "$ref"),
    Refusal({"$ref": "#nowhere"}, "/$ref", "$ref"),
    Refusal({"$ref": "#/$defs/x", "$defs": {"x": 5}}, "/$defs/x", "$ref"),
    Refusal({"minimum": float("nan")}, "/minimum", "minimum"),
    Refusal({"dependentRequired": {"a": "b"}}, "/dependentRequired", "dependentRequired"),
]


@pytest.mark.parametrize("refusal", [*UNSUPPORTED, *MALFORMED], ids=lambda refusal: str(refusal[0]))
def test_refusals_say_where_and_what(refusal: Refusal) -> None:
    with pytest.raises(GrammarError) as raised:
        Languages().compile(refusal.schema)
    assert (raised.value.pointer, raised.value.keyword) == (refusal.pointer, refusal.keyword)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}},
        {"anyOf": [{"type": "null"}, {"if": {"$ref": "#"}, "then": True}]},
        {"dependentSchemas": {"a": {"$ref": "#"}}},
    ],
    ids=str,
)
def test_schemas_that_lead_back_to_themselves_without_progress_are_refused(schema: Any) -> None:
    with pytest.raises(GrammarError, match="without end"):
        Languages().compile(schema)


def test_what_is_refused_does_no_harm_where_nobody_gets() -> None:
    schema = {"type": "integer", "$defs": {"unused": {"uniqueItems": True, "format": "regex"}}}
    assert Languages().allows(schema, 5)


def test_an_unknown_format_is_an_annotation() -> None:
    assert Languages().allows({"type": "integer", "format": "int32"}, 2**40)


@pytest.mark.parametrize("name", ["date", "uuid", "ipv4", "hostname"])
def test_formats_hold_for_strings_only(name: str) -> None:
    languages = Languages()
    assert languages.allows({"format": name}, 5)
    assert not languages.allows({"format": name}, "-")
    assert languages.allows({"type": "string", "not": {"format": name}}, "-")
