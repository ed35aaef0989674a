"""Random schemas that a text can fulfil, and what is right for one: jsonschema, with exact numbers.

Every keyword stands where it says something, unlike in tests.common.grammar.schema.random_schemas,
whose keywords contradict one another; so models have something to write here.
"""

from __future__ import annotations

import json
from datetime import datetime
from fractions import Fraction
from random import Random
from typing import Any

import jsonschema

MAX_EXPONENT = 4000
WORDS = ["a", "name", "é", "😀x", 'q"', "k-1", "näme", "tags", "x\\y"]
PATTERNS = ["^[a-zé]+$", "[ab]", "^x-[0-9]{2,4}$", "^(ab|c)*$", "€$", "^[^a-z]{2}", "^.{0,3}$"]
FORMATS = ["date", "time", "date-time", "uuid", "ipv4", "ipv6", "email"]
LEAVES = ["string", "pattern", "format", "integer", "number", "enum", "const", "plain"]
NESTS = ["object", "array", "tuple", "contains", "unique", "any_of", "one_of", "all_of"]
OTHERS = ["but", "condition", "map", "reference", "dependent", "nothing_said"]


class NotJudged(Exception):
    """A number too far out for exact arithmetic."""


class WritableSchemas:
    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def schema(self, depth: int = 3) -> dict[str, Any]:
        tree = {
            "type": "object",
            "properties": {"v": self._one(LEAVES, 0), "in": {"$ref": "#/$defs/list"}},
            "required": ["v"],
            "additionalProperties": False,
        }
        nodes = {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 3}
        return {**self._inner(depth), "$defs": {"tree": tree, "list": nodes}}

    def _inner(self, depth: int) -> dict[str, Any]:
        return self._one(LEAVES if depth == 0 else [*LEAVES, *NESTS, *NESTS, *OTHERS], depth - 1)

    def _one(self, kinds: list[str], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = getattr(self, "_" + self._random.choice(kinds))(depth)
        return found

    def _several(self, depth: int) -> list[Any]:
        return [self._inner(max(depth, 0)) for _ in range(self._random.randint(2, 3))]

    def _string(self, depth: int) -> dict[str, Any]:
        fewest = self._random.randrange(4)
        return {
            "type": "string",
            "minLength": fewest,
            "maxLength": fewest + self._random.randrange(8),
        }

    def _pattern(self, depth: int) -> dict[str, Any]:
        found = {"type": "string", "pattern": self._random.choice(PATTERNS)}
        return {**found, "maxLength": 6} if self._random.random() < 0.3 else found

    def _format(self, depth: int) -> dict[str, Any]:
        return {"type": "string", "format": self._random.choice(FORMATS)}

    def _integer(self, depth: int) -> dict[str, Any]:
        least = self._random.choice([-(10**12), -5, 0, 7])
        found = {"type": "integer", "minimum": least, "maximum": least + 10**4}
        if self._random.random() < 0.4:
            found["multipleOf"] = self._random.choice([3, 7, 10])
        return found

    def _number(self, depth: int) -> dict[str, Any]:
        bounds = [
            {"exclusiveMinimum": 0, "maximum": 1},
            {"minimum": -1.5},
            {"multipleOf": 0.25, "exclusiveMaximum": 99.5, "minimum": 0},
            {},
        ]
        return {"type": "number", **self._random.choice(bounds)}

    def _enum(self, depth: int) -> dict[str, Any]:
        values = ["a", "ab", "é", "😀", None, True, 0, 1.5, [1, "x"], {"k": [2]}, "a b", "\n"]
        return {"enum": self._random.sample(values, 4)}

    def _const(self, depth: int) -> dict[str, Any]:
        return {"const": self._random.choice(["x", {"a": ["é"], "b": None}, 12, [[]], False])}

    def _plain(self, depth: int) -> dict[str, Any]:
        return {"type": self._random.choice([["null", "boolean"], "boolean", ["string", "null"]])}

    def _object(self, depth: int) -> dict[str, Any]:
        keys = self._random.sample(WORDS, self._random.randint(1, 5))
        found = {
            "type": "object",
            "properties": {key: self._inner(depth) for key in keys},
            "required": [key for key in keys if self._random.random() < 0.5],
        }
        shape = self._random.random()
        if shape < 0.5:
            found["additionalProperties"] = False
        elif shape < 0.7:
            found |= {"additionalProperties": self._inner(0), "maxProperties": len(keys) + 1}
        return found

    def _map(self, depth: int) -> dict[str, Any]:
        return self._random.choice(
            [
                {"patternProperties": {"^[a-c]": self._inner(0)}, "additionalProperties": False},
                {"propertyNames": {"pattern": "^[a-zé]{1,3}$"}, "maxProperties": 3},
                {"propertyNames": {"enum": WORDS[:4]}, "additionalProperties": self._inner(0)},
                {"patternProperties": {"^x": {"type": "null"}}, "properties": {"y": {}}},
            ]
        ) | {"type": "object"}

    def _array(self, depth: int) -> dict[str, Any]:
        fewest = self._random.randrange(3)
        return {
            "type": "array",
            "items": self._inner(depth),
            "minItems": fewest,
            "maxItems": fewest + 2,
        }

    def _tuple(self, depth: int) -> dict[str, Any]:
        found = {"type": "array", "prefixItems": self._several(depth), "minItems": 1}
        return {**found, "items": self._random.choice([False, self._inner(0)])}

    def _contains(self, depth: int) -> dict[str, Any]:
        return {
            "type": "array",
            "items": {"type": ["integer", "null", "string"]},
            "contains": {"type": "integer", "minimum": 5},
            "minContains": self._random.randint(1, 2),
            "maxContains": self._random.randint(2, 3),
            "maxItems": 5,
        }

    def _unique(self, depth: int) -> dict[str, Any]:
        values = self._random.sample(["a", "ab", "b", "é", 1, 12, 2, None, "", True], 5)
        fewest = self._random.randrange(4)
        items = {"enum": values}
        return {"type": "array", "items": items, "uniqueItems": True, "minItems": fewest}

    def _any_of(self, depth: int) -> dict[str, Any]:
        return {"anyOf": self._several(depth)}

    def _one_of(self, depth: int) -> dict[str, Any]:
        tagged = [
            {"properties": {"t": {"const": tag}, "v": self._inner(depth)}, "required": ["t", "v"]}
            for tag in ("one", "two", "ö")
        ]
        return {"type": "object", "oneOf": tagged, "maxProperties": 3}

    def _all_of(self, depth: int) -> dict[str, Any]:
        parts = [
            {"properties": {"a": self._inner(depth), "b": {"maxLength": 5}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ]
        return {"type": "object", "allOf": parts, "maxProperties": 2}

    def _but(self, depth: int) -> dict[str, Any]:
        return self._random.choice(
            [
                {"type": "string", "not": {"enum": ["", "a"]}, "maxLength": 3},
                {"type": "integer", "not": {"multipleOf": 2}, "minimum": 0, "maximum": 99},
                {"type": "string", "not": {"pattern": "[a-z]"}, "maxLength": 5},
                {"not": {"type": ["object", "array", "string"]}},
            ]
        )

    def _condition(self, depth: int) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"kind": {"enum": ["x", "y"]}, "value": {}},
            "required": ["kind", "value"],
            "additionalProperties": False,
            "if": {"properties": {"kind": {"const": "x"}}},
            "then": {"properties": {"value": self._inner(0)}},
            "else": {"properties": {"value": {"type": "boolean"}}},
        }

    def _dependent(self, depth: int) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"a": self._inner(0), "b": {"type": "null"}, "c": self._inner(0)},
            "dependentRequired": {"a": ["c"]},
            "additionalProperties": False,
        }

    def _reference(self, depth: int) -> dict[str, Any]:
        return {"$ref": self._random.choice(["#/$defs/tree", "#/$defs/list"])}

    def _nothing_said(self, depth: int) -> dict[str, Any]:
        return {}


def assert_valid(schema: object, text: bytes) -> None:
    """NotJudged where a number is beyond what can be computed with."""
    value = json.loads(text, parse_float=_exact)
    _validator(json.loads(json.dumps(schema), parse_float=Fraction)).validate(value)


def _exact(text: str) -> Fraction:
    exponent = text.lower().partition("e")[2]
    if exponent and abs(int(exponent)) > MAX_EXPONENT:
        raise NotJudged(text)
    return Fraction(text)


def _validator(schema: object) -> Any:
    draft = jsonschema.Draft202012Validator
    types = draft.TYPE_CHECKER.redefine("integer", lambda _, value: _is_integer(value))
    checker = jsonschema.FormatChecker(["date", "uuid", "ipv4", "ipv6", "email"])
    checker.checks("date-time", raises=ValueError)(_is_date_time)
    return jsonschema.validators.extend(draft, type_checker=types)(schema, format_checker=checker)


def _is_integer(value: object) -> bool:
    is_whole = isinstance(value, Fraction) and value.denominator == 1
    return is_whole or (isinstance(value, int) and not isinstance(value, bool))


def _is_date_time(value: object) -> bool:
    """Without what datetime cannot hold: leap seconds, and digits below the microsecond."""
    if not isinstance(value, str):
        return True
    day, _, time = value.upper().partition("T")
    whole = time.split(".")[0][:8].replace(":60", ":59")
    return datetime.fromisoformat(f"{day}T{whole}") is not None
