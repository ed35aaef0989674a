"""Hostile schemas: each is compiled or refused soon, and none ends the process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from tests.common.grammar.schema.languages import Languages

MAX_SECONDS = 8.0  # on a machine that does other things as well; alone it is a tenth of that


def nested(depth: int, keyword: str) -> Any:
    schema: Any = {}
    for _ in range(depth):
        schema = {keyword: [schema] if keyword.endswith("Of") else schema}
    return schema


def chain(length: int, link: Callable[[dict[str, str]], Any]) -> Any:
    definitions = {f"d{index}": link({"$ref": f"#/$defs/d{index + 1}"}) for index in range(length)}
    return {"$defs": {**definitions, f"d{length}": {"type": "null"}}, "$ref": "#/$defs/d0"}


TOO_LARGE: dict[str, Callable[[], Any]] = {
    "an enum of a million": lambda: {"enum": [f"v{index}" for index in range(10**6)]},
    "depth": lambda: nested(10**4, "items"),
    "depth of a constant": lambda: {"const": nested(10**4, "a")},
    "alternatives multiplied": lambda: {
        "allOf": [
            {"anyOf": [{"required": [f"{row}-{column}"]} for column in range(10)]}
            for row in range(10)
        ]
    },
    "dependencies": lambda: {"dependentRequired": {f"k{index}": ["z"] for index in range(30)}},
    "overlapping oneOf in oneOf": lambda: {
        "oneOf": [
            {"oneOf": [{"oneOf": [{"minLength": i + j + k} for i in range(6)]} for j in range(6)]}
            for k in range(6)
        ]
    },
    "digits": lambda: {"type": "integer", "minimum": 10**5000},
    "a step of many digits": lambda: {"multipleOf": 123456789123456789},
    "many steps": lambda: {"allOf": [{"multipleOf": 9973 + 2 * index} for index in range(8)]},
    "a length beyond all texts": lambda: {"minLength": 10**30},
    "a pattern's opposite": lambda: {
        "type": "string",
        "minLength": 30,
        "not": {"pattern": "^(a|b)*a(a|b){20}$"},
    },
    "patterns at once": lambda: {"allOf": [{"pattern": f"a.{{{n}}}b"} for n in range(10, 20)]},
    "many patterns for keys": lambda: {
        "patternProperties": {letter: {"minLength": 1} for letter in "abcdefghijklmnop"}
    },
    "a repetition of repetitions": lambda: {"pattern": "((a{1,999}){1,999}){1,999}"},
}
COMPILED: dict[str, Callable[[], Any]] = {
    "an enum of 30,000": lambda: {"enum": [f"v{index}" for index in range(30_000)]},
    "depth": lambda: nested(90, "items"),
    "depth of allOf": lambda: nested(45, "allOf"),
    "depth of not": lambda: nested(90, "not"),
    "a chain of references": lambda: chain(1500, lambda ref: ref),
    "a chain through items": lambda: chain(1500, lambda ref: {"items": ref}),
    "a chain of required properties": lambda: chain(
        1500, lambda ref: {"type": "object", "required": ["a"], "properties": {"a": ref}}
    ),
    "lengths": lambda: {"type": "string", "minLength": 10**15, "maxLength": 10**15 + 5},
    "lengths of a pattern": lambda: {"pattern": "^(ab|c)*$", "minLength": 10**9},
    "items": lambda: {"type": "array", "minItems": 10**12},
    "numbers": lambda: {"type": "number", "minimum": -1.7e308, "maximum": 1.7e308},
    "catastrophic for backtracking": lambda: {"type": "string", "pattern": "(a|a)*b(a+)+$"},
    "many properties": lambda: {
        "properties": {f"p{index}": {"type": "string"} for index in range(3000)},
        "additionalProperties": False,
    },
    "discriminators": lambda: {
        "oneOf": [
            {"type": "object", "required": ["k"], "properties": {"k": {"const": index}}}
            for index in range(150)
        ]
    },
    "overlapping oneOf": lambda: {
        "oneOf": [{"type": "object", "required": [f"p{index}"]} for index in range(8)]
    },
    "a long pointer": lambda: {"a" * 10**5: nested(40, "items"), "$ref": "#/" + "a" * 10**5},
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_costs_too_much_is_refused_soon(name: str) -> None:
    schema = TOO_LARGE[name]()
    start = time.perf_counter()
    with pytest.raises(GrammarTooLarge) as raised:
        Languages().compile(schema)
    assert time.perf_counter() - start < MAX_SECONDS
    assert raised.value.pointer is not None


@pytest.mark.parametrize("name", COMPILED)
def test_what_only_looks_costly_is_compiled_soon(name: str) -> None:
    schema = COMPILED[name]()
    start = time.perf_counter()
    Languages().compile(schema)
    assert time.perf_counter() - start < MAX_SECONDS


def test_a_constant_against_a_deep_schema_is_bounded() -> None:
    schema = chain(3000, lambda ref: {"not": ref})
    schema["enum"] = [1, None]
    with pytest.raises(GrammarError):
        Languages().compile(schema)


def test_alternatives_that_are_one_reference_are_one_alternative() -> None:
    schema = chain(60, lambda inner: {"anyOf": [inner, {**inner, "title": "again"}, inner]})
    assert Languages().allows(schema, None)
    assert not Languages().allows(schema, 1)
