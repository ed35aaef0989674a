"""Random schemas of every keyword over few keys and values, so that they meet and contradict."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

SCALARS = [None, True, False, 0, 1, 2, -1, 3, 1.5, 2.0, 0.5, "", "a", "b", "ab", "abc", "é"]
KEYS = "abcd"
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]
LEAVES: list[Any] = [True, False, {"type": "integer"}, {"type": "string"}, {"const": 1}]
SCALAR_ITEMS: list[Any] = [
    {"type": "string"},
    {"type": ["integer", "null"]},
    {"type": "string", "maxLength": 1},
    {"type": "number", "minimum": 0},
    {"enum": [1, "a", None]},
]
NAMES: list[Any] = [
    {"enum": ["a", "b"]},
    {"maxLength": 1},
    {"pattern": "^[ab]"},
    False,
    {"not": {"const": "a"}},
]
PATTERNS = ["a", "^a", "b$", "^[ab]*$", "^.$"]
KEY_PATTERNS = ["^a", "[bc]", "d$"]
COMMON = ["type", "type", "properties", "required", "items"]
# For texts that get deeper into a schema than random values do.
DEEP: list[Any] = [
    {
        "type": "object",
        "properties": {
            "id": {"type": "integer", "minimum": 0, "maximum": 10**6},
            "name": {"type": "string", "minLength": 1, "maxLength": 20},
            "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True},
            "ratio": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        },
        "required": ["id", "name"],
        "additionalProperties": {"type": ["null", "boolean"]},
    },
    {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "minItems": 2},
    {"type": "object", "patternProperties": {"^x-": {"type": "integer"}}, "maxProperties": 4},
    {"type": "object", "propertyNames": {"pattern": "^[a-z]{1,4}$"}, "maxProperties": 2},
    {"type": "array", "contains": {"type": "integer", "multipleOf": 7}, "maxItems": 3},
    {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 1},
    {
        "type": "array",
        "items": {"type": ["integer", "string"], "pattern": "^[ab]{1,2}$", "maximum": 2},
        "uniqueItems": True,
        "minItems": 2,
        "maxItems": 5,
    },
    {"type": "string", "pattern": "^(?:[a-z]+\\.)*[a-z]+@[a-z]+$", "maxLength": 9},
    {"oneOf": [{"type": "number", "minimum": 10}, {"type": "integer", "maximum": 12}]},
    {
        "$ref": "#/$defs/expression",
        "$defs": {
            "expression": {
                "anyOf": [
                    {"type": "integer"},
                    {
                        "type": "object",
                        "properties": {
                            "operator": {"enum": ["+", "-"]},
                            "left": {"$ref": "#/$defs/expression"},
                            "right": {"$ref": "#/$defs/expression"},
                        },
                        "required": ["operator", "left", "right"],
                        "additionalProperties": False,
                    },
                ]
            }
        },
    },
]


def mutated(value: Any, random: Random) -> Any:
    """The value with one part of it replaced, added or left out."""
    if isinstance(value, list) and value and random.random() < 0.8:
        index = random.randrange(len(value))
        return [*value[:index], mutated(value[index], random), *value[index + 1 :]]
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(list(value))
        if random.random() < 0.3:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: mutated(value[key], random)}
    return random.choice([*SCALARS, [], {}, [value], {"a": value}, {"id": 7, "name": "x"}])


class RandomSchemas:
    def __init__(self, seed: int) -> None:
        self._random = random = Random(seed)
        self._references = ["#/$defs/any", "#/$defs/tree"]
        one_of = random.choice
        self._keywords: dict[str, Callable[[int], Any]] = {
            "type": lambda _: one_of([one_of(TYPES), random.sample(TYPES, 2)]),
            "enum": lambda _: [self.value(1) for _ in range(3)],
            "const": lambda _: self.value(1),
            "minimum": lambda _: one_of([0, 1, 0.5, -1]),
            "maximum": lambda _: one_of([0, 1, 2, 1.5]),
            "exclusiveMinimum": lambda _: one_of([0, 1]),
            "exclusiveMaximum": lambda _: one_of([1, 2, 2.5]),
            "multipleOf": lambda _: one_of([1, 2, 0.5, 1.5]),
            "minLength": lambda _: random.randrange(3),
            "maxLength": lambda _: random.randrange(4),
            "pattern": lambda _: one_of(PATTERNS),
            "items": self._inner,
            "prefixItems": self._several,
            "minItems": lambda _: random.randrange(3),
            "maxItems": lambda _: random.randrange(4),
            "uniqueItems": lambda _: True,
            "unevaluatedItems": self._inner,
            "contains": self._inner,
            "minContains": lambda _: random.randrange(3),
            "maxContains": lambda _: random.randrange(3),
            "properties": lambda depth: {key: self._inner(depth) for key in self._keys()},
            "required": lambda _: self._keys(),
            "additionalProperties": self._inner,
            "unevaluatedProperties": self._inner,
            "patternProperties": lambda depth: {one_of(KEY_PATTERNS): self._inner(depth)},
            "propertyNames": lambda _: one_of(NAMES),
            "minProperties": lambda _: random.randrange(3),
            "maxProperties": lambda _: random.randrange(4),
            "dependentRequired": lambda _: {one_of("ab"): self._keys()},
            "dependentSchemas": lambda depth: {one_of("ab"): self._inner(depth)},
            "anyOf": self._several,
            "oneOf": self._several,
            "allOf": self._several,
            "not": self._inner,
            "if": self._inner,
            "then": self._inner,
            "else": self._inner,
            "$ref": lambda _: one_of(self._references),
        }
        self._names = [*self._keywords, *COMMON]

    def schema(self) -> dict[str, Any]:
        found = self._schema(3)
        tree = {"$ref": "#/$defs/tree"}
        self._references = ["#/$defs/tree"]  # jsonschema has no end where one leads to itself
        any_ = self._schema(1)
        self._references = ["#/$defs/any", "#/$defs/tree"]
        definitions = {
            "any": any_,
            "tree": {
                "type": ["object", "array", "null"],
                "properties": {"a": tree},
                "items": tree,
            },
        }
        return {**(found if isinstance(found, dict) else {"allOf": [found]}), "$defs": definitions}

    def value(self, depth: int = 2) -> Any:
        shape = self._random.random()
        if depth == 0 or shape < 0.6:
            return self._random.choice(SCALARS)
        size = self._random.randrange(4)
        if shape < 0.8:
            return [self.value(depth - 1) for _ in range(size)]
        return {self._random.choice(KEYS): self.value(depth - 1) for _ in range(size)}

    def _schema(self, depth: int) -> Any:
        if self._random.random() < 0.06:
            return self._random.choice([True, False, {}])
        names = self._random.choices(self._names, k=self._random.choice([1, 1, 2, 2, 3]))
        made = {name: self._keywords[name](depth) for name in names}
        if "uniqueItems" in made and self._random.random() < 0.7:
            made["items"] = self._random.choice(SCALAR_ITEMS)
        return made

    def _inner(self, depth: int) -> Any:
        return self._schema(depth - 1) if depth else self._random.choice(LEAVES)

    def _several(self, depth: int) -> list[Any]:
        return [self._inner(depth) for _ in range(self._random.randrange(1, 4))]

    def _keys(self) -> list[str]:
        return sorted(set(self._random.choices(KEYS, k=2)))
