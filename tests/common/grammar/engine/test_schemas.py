"""Schemas from end to end: what random tokens spell under a schema's masks validates."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest

from forge_common.grammar.engine import Engine
from forge_common.grammar.program import Whitespace
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from tests.common.grammar.engine.programs import allowed_ids, is_allowed
from tests.common.grammar.engine.vocabularies import demo_vocabulary
from tests.common.grammar.engine.writing import generate

CHECKER = jsonschema.FormatChecker(["date"])
TEXT = {"type": "string", "maxLength": 12}
SCHEMAS: dict[str, Any] = {
    "flat": {
        "type": "object",
        "properties": {
            "name": TEXT,
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
            "score": {"type": "number", "exclusiveMaximum": 10},
            "is_active": {"type": "boolean"},
        },
        "required": ["name", "age"],
        "additionalProperties": False,
    },
    "recursive": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": TEXT,
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["value", "children"],
                "additionalProperties": False,
            }
        },
    },
    "additional": {
        "type": "object",
        "properties": {"id": {"type": "integer"}},
        "required": ["id"],
        "additionalProperties": {"type": "array", "items": TEXT, "maxItems": 2},
    },
    "alternatives": {
        "anyOf": [
            {"type": "array", "prefixItems": [{"const": "at"}, {"type": "number"}], "minItems": 2},
            {"type": "object", "properties": {"kind": {"const": "é€"}}, "required": ["kind"]},
            {"enum": [None, 1.5, "x", [1, 2], {"a": 1}]},
        ]
    },
    "strings": {
        "type": "array",
        "items": {
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{2,4}$"},
                {"type": "string", "pattern": "[ab]", "minLength": 3, "maxLength": 5},
            ]
        },
        "minItems": 1,
        "maxItems": 4,
    },
    "contains": {
        "type": "array",
        "items": {"type": ["integer", "null"]},
        "contains": {"type": "integer", "minimum": 5},
        "minContains": 2,
        "maxItems": 5,
    },
    "unique": {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": TEXT, "uniqueItems": True, "minItems": 2},
            "pair": {
                "type": "array",
                "items": {"type": "string", "pattern": "^(ab|cd)$"},
                "uniqueItems": True,
                "minItems": 2,
            },
            "letters": {
                "type": "array",
                "items": {"type": "string", "maxLength": 1},
                "uniqueItems": True,
                "minItems": 3,
                "maxItems": 6,
            },
            "digits": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0, "maximum": 9},
                "uniqueItems": True,
                "minItems": 5,
            },
            "numbers": {
                "type": "array",
                "items": {"type": "number", "minimum": -1, "maximum": 1},
                "uniqueItems": True,
            },
        },
        "required": ["tags", "pair", "letters", "digits", "numbers"],
        "additionalProperties": False,
    },
    "multiples": {"type": "array", "items": {"type": "integer", "multipleOf": 7}, "maxItems": 3},
}


@pytest.mark.parametrize("whitespace", ["compact", "free"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_random_texts_validate(name: str, whitespace: Whitespace) -> None:
    rng = random.Random(name + whitespace)
    vocabulary = demo_vocabulary()
    engine = Engine(vocabulary)
    validator = jsonschema.Draft202012Validator(SCHEMAS[name], format_checker=CHECKER)
    state = engine.start(compile_schema(SCHEMAS[name], SchemaOptions(whitespace=whitespace)))
    for length in (0, 3, 10, 25):
        text = generate(vocabulary, state, rng, length)
        validator.validate(json.loads(text))


@pytest.mark.parametrize("name", ["additional", "strings", "alternatives", "unique"])
def test_masks_of_schemas_are_what_bytes_allow(name: str) -> None:
    rng = random.Random(name)
    vocabulary = demo_vocabulary()
    state = Engine(vocabulary).start(
        compile_schema(SCHEMAS[name], SchemaOptions(property_order="any"))
    )
    for _ in range(12):
        allowed = allowed_ids(vocabulary, state)
        assert allowed == [
            token_id
            for token_id in range(vocabulary.num_tokens)
            if is_allowed(vocabulary, state, token_id)
        ]
        state = state.advance(rng.choice(allowed)) or state
