"""Every spelling means one grammar; several at once, and options without use, are refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from forge_api.grammars.fields import AskedGrammar, asked_grammar
from forge_api.openai_types import ChatCompletionRequest, CompletionRequest
from forge_api.parameters import BodyParser
from forge_common.errors import RequestError
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.spec import Choices, Ebnf, GrammarSpec, JsonObject, JsonSchema, Regex

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
GBNF = 'root ::= "a"+'
BASES = [
    (ChatCompletionRequest, {"messages": [{"role": "user", "content": "hi"}]}),
    (CompletionRequest, {"prompt": "hi"}),
]


def asked(fields: dict[str, Any], kind: int = 0) -> AskedGrammar | None:
    body_type, base = BASES[kind]
    raw = json.dumps(base | fields).encode()
    return asked_grammar(BodyParser(body_type, {}, is_strict=True).parse(raw).body)


SPELLINGS: list[tuple[dict[str, Any], str, GrammarSpec]] = [
    (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
        "response_format.json_schema.schema",
        JsonSchema(SCHEMA),
    ),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "x", "strict": True, "description": "y", "schema": SCHEMA
                },
            }
        },
        "response_format.json_schema.schema",
        JsonSchema(SCHEMA),
    ),
    ({"response_format": {"type": "json_object"}}, "response_format", JsonObject()),
    (
        {"response_format": {"type": "json_object", "schema": SCHEMA}},
        "response_format.schema",
        JsonSchema(SCHEMA),
    ),
    ({"json_schema": SCHEMA}, "json_schema", JsonSchema(SCHEMA)),
    ({"json_schema": json.dumps(SCHEMA)}, "json_schema", JsonSchema(SCHEMA)),
    ({"json_schema": True}, "json_schema", JsonSchema(True)),
    ({"guided_json": SCHEMA}, "guided_json", JsonSchema(SCHEMA)),
    ({"guided_regex": "a+"}, "guided_regex", Regex("a+")),
    ({"regex": "a+"}, "regex", Regex("a+")),
    ({"guided_choice": ["a", "b"]}, "guided_choice", Choices(("a", "b"))),
    ({"guided_grammar": GBNF}, "guided_grammar", Ebnf(GBNF)),
    ({"ebnf": GBNF}, "ebnf", Ebnf(GBNF)),
    ({"grammar": GBNF}, "grammar", Ebnf(GBNF)),
    ({"structured_outputs": {"json": SCHEMA}}, "structured_outputs.json", JsonSchema(SCHEMA)),
    (
        {"structured_outputs": {"json": json.dumps(SCHEMA), "disable_fallback": True}},
        "structured_outputs.json",
        JsonSchema(SCHEMA),
    ),
    ({"structured_outputs": {"regex": "a+"}}, "structured_outputs.regex", Regex("a+")),
    ({"structured_outputs": {"choice": ["a"]}}, "structured_outputs.choice", Choices(("a",))),
    ({"structured_outputs": {"grammar": GBNF}}, "structured_outputs.grammar", Ebnf(GBNF)),
    (
        {"structured_outputs": {"json_object": True, "whitespace": "free"}},
        "structured_outputs.json_object",
        JsonObject("free"),
    ),
    (
        {"json_schema": SCHEMA, "structured_outputs": {"property_order": "any"}},
        "json_schema",
        JsonSchema(SCHEMA, SchemaOptions("any")),
    ),
]  # fmt: skip


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(("fields", "param", "spec"), SPELLINGS)
def test_a_spelling_means_a_grammar(
    fields: dict[str, Any], param: str, spec: GrammarSpec, kind: int
) -> None:
    assert asked(fields, kind) == AskedGrammar(param, spec)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"response_format": {"type": "text"}},
        {"response_format": None, "guided_json": None},
        {"grammar": ""},
        {"structured_outputs": {}},
        {"structured_outputs": {"json_object": False, "disable_any_whitespace": True}},
    ],
)
def test_what_asks_for_nothing_is_no_grammar(fields: dict[str, Any]) -> None:
    assert asked(fields) is None


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"guided_regex": "a", "guided_json": {}}, ["guided_json", "guided_regex"]),
        (
            {"response_format": {"type": "json_object"}, "structured_outputs": {"regex": "a"}},
            ["response_format", "structured_outputs.regex"],
        ),
        (
            {"structured_outputs": {"regex": "a", "choice": ["a"]}},
            ["structured_outputs.regex", "structured_outputs.choice"],
        ),
    ],
)
def test_several_at_once_are_refused_by_name(fields: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        asked(fields)
    assert all(f"`{name}`" in caught.value.message for name in names)
    assert caught.value.param == names[-1]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"structured_outputs": {"structural_tag": "{}"}}, "structural_tag"),
        ({"structured_outputs": {"json": {}, "whitespace_pattern": " "}}, "whitespace_pattern"),
        (
            {"structured_outputs": {"json": {}, "disable_additional_properties": True}},
            "disable_additional_properties",
        ),
        ({"structured_outputs": {"regex": "a", "whitespace": "free"}}, "whitespace"),
        ({"structured_outputs": {"whitespace": "free"}}, "whitespace"),
        (
            {"structured_outputs": {"json_object": True, "property_order": "any"}},
            "property_order",
        ),
        (
            {
                "structured_outputs": {
                    "json": {}, "whitespace": "free", "disable_any_whitespace": True
                }
            },
            "whitespace",
        ),
    ],
)  # fmt: skip
def test_options_that_mean_nothing_here_are_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        asked(fields)
    assert caught.value.param == f"structured_outputs.{param}"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format.json_schema.schema",
        ),
        ({"json_schema": [1]}, "json_schema"),
        ({"json_schema": "{"}, "json_schema"),
        ({"structured_outputs": {"json": "["}}, "structured_outputs.json"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_choice": [1]}, "guided_choice[0]"),
        ({"guided_regex": ""}, "guided_regex"),
        ({"guided_regex": "a" * 70_000}, "guided_regex"),
        ({"structured_outputs": {"whitespace": "some"}}, "structured_outputs.whitespace"),
    ],
)
def test_a_wrong_shape_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        asked(fields)
    assert caught.value.param in (param, param.split("[", maxsplit=1)[0])


@pytest.mark.parametrize(
    "field",
    [
        '"json_schema":{"const":%s}',
        '"guided_json":{"const":%s}',
        '"structured_outputs":{"json":{"const":%s}}',
        '"json_schema":"{\\"const\\":%s}"',
    ],
)
def test_decimals_are_taken_as_they_are_written(field: str) -> None:
    written = "0.1000000000000000000000001"
    raw = f'{{"prompt":"hi","temperature":0.5,{field % written}}}'.encode()
    body = BodyParser(CompletionRequest, {}, is_strict=True).parse(raw).body
    grammar = asked_grammar(body)
    assert grammar is not None
    assert grammar.spec == JsonSchema({"const": Decimal(written)})
    assert body.temperature == 0.5


def test_a_schema_that_is_too_large_to_read_twice_is_refused_by_name() -> None:
    with pytest.raises(RequestError) as caught:
        asked({"json_schema": {"description": "x" * 2**22}})
    assert (caught.value.param, caught.value.code) == ("json_schema", "grammar_too_large")
