"""Plain schemas: read straight, they come to the very rules that the general way finds."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Program
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.grammar.schema.plain import PlainRules, plain_leaf

COUNTS = (0, 1, 2, 5, 2.0, -1, True, None, "2", 2**60, 1.5)
BOUNDS = (-3, 0, 0, 4, 9, 2.5, True, "x", 2**70)
TEXTS = ("a", "b", "é", '"', "\ud800", 1, None)
TYPES = (
    "string",
    "integer",
    "number",
    "boolean",
    "null",
    "object",
    "array",
    ["null"],
    "text",
    None,
)
KEYS = ("a", "b", "a/b", "x~y", "é", "\ud800", "")
OTHERS: tuple[Any, ...] = (
    True,
    False,
    {},
    {"$ref": "#"},
    {"$ref": "#/properties/b"},
    {"$ref": "#/no"},
    7,
)
OPTIONS = (SchemaOptions(), SchemaOptions("any", "free"))


class Schemas:
    """Plain ones, and such as are nearly so: malformed, empty, or with one word too many."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def any(self, depth: int = 0) -> Any:
        kinds = (self._string, self._number, self._enum, self._bare, self._constant)
        nested = (self._object, self._object, self._array, self._map) if depth < 3 else ()
        schema = self._random.choice((*kinds, *nested))(depth + 1)
        if self._happens(0.05):
            schema[self._random.choice(("format", "not", "pattern"))] = self._random.choice(
                ("date", {}, 1)
            )
        if self._happens(0.1):
            schema["title"] = "an annotation"
        return self._random.choice(OTHERS) if self._happens(0.05) else schema

    def _happens(self, share: float) -> bool:
        return self._random.random() < share

    def _some(self, **choices: Any) -> dict[str, Any]:
        return {
            name: self._random.choice(values)
            for name, values in choices.items()
            if self._happens(0.5)
        }

    def _string(self, depth: int) -> dict[str, Any]:
        return {"type": "string", **self._some(minLength=COUNTS, maxLength=COUNTS)}

    def _number(self, depth: int) -> dict[str, Any]:
        kind = self._random.choice(("integer", "number"))
        return {"type": kind, **self._some(minimum=BOUNDS, maximum=BOUNDS)}

    def _enum(self, depth: int) -> dict[str, Any]:
        texts = self._random.choices(TEXTS, k=self._random.randint(0, 4))
        return {"enum": texts, **self._some(type=("string", "string", "integer", None))}

    def _bare(self, depth: int) -> dict[str, Any]:
        return {"type": self._random.choice(TYPES)}

    def _constant(self, depth: int) -> dict[str, Any]:
        constant = self._random.choice((*TEXTS, True, [1]))
        return {"const": constant, **self._some(type=("string", "string", "null"))}

    def _map(self, depth: int) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.any(depth)}

    def _array(self, depth: int) -> dict[str, Any]:
        schema = {"type": "array", **self._some(minItems=COUNTS, maxItems=COUNTS)}
        return schema | ({"items": self.any(depth)} if self._happens(0.8) else {})

    def _object(self, depth: int) -> dict[str, Any]:
        names = self._random.sample(KEYS, self._random.randint(0, 3))
        others: tuple[Any, ...] = (False, False, True, {}, self.any(depth), None)
        schema = {"type": "object", **self._some(additionalProperties=others)}
        schema["properties"] = {name: self.any(depth) for name in names}
        strays = ["stray"] if self._happens(0.1) else []
        return schema | {"required": [*filter(lambda _: self._happens(0.5), names), *strays]}


def outcome(schema: Any, options: SchemaOptions) -> Program | tuple[str, ...]:
    try:
        return compile_schema(schema, options)
    except GrammarError as error:
        return (type(error).__name__, str(error))


@pytest.mark.parametrize("seed", range(8))
def test_plain_schemas_come_to_the_rules_of_the_general_way(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    schemas = Schemas(Random(seed))
    asked = [(schemas.any(), OPTIONS[number % 2]) for number in range(150)]
    straight = [outcome(schema, options) for schema, options in asked]
    monkeypatch.setattr(PlainRules, "make", lambda self, conjunction: None)
    assert straight == [outcome(schema, options) for schema, options in asked]
    assert any(isinstance(one, Program) for one in straight)


def test_plain_schemas_never_ask_the_general_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("forge_common.grammar.schema.general.GeneralRules.make")
    leaves = [{"type": "string", "title": "x"}, {"type": "boolean"}, {"const": "a"}, True]
    lists = {"type": "array", "items": {"type": "object", "additionalProperties": leaves[0]}}
    named = {f"{number}": leaf for number, leaf in enumerate([*leaves, lists, {"$ref": "#"}])}
    schema = {"type": "object", "properties": named, "additionalProperties": False}
    assert isinstance(outcome(schema, SchemaOptions()), Program)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "maxLength": 3},
        {"type": "integer", "minimum": -1, "maximum": 5},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["a", "b"]},
        {"const": "a"},
        {"type": "string", "const": "a"},
    ],
)
def test_usual_leaves_are_read_straight(schema: dict[str, Any]) -> None:
    assert plain_leaf(schema) is not None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "string", "maxLength": 2.0},
        {"type": "string", "pattern": "a"},
        {"type": "integer", "minimum": 5, "maximum": 5},
        {"type": "integer", "minimum": True},
        {"type": "number", "minimum": 0.5},
        {"enum": ["a", "a"]},
        {"enum": ["a", 1]},
        {"enum": []},
        {"type": "integer", "enum": ["a"]},
        {"type": None, "enum": ["a"]},
        {"const": 1},
        {"const": "\ud800"},
        {"type": "object"},
        {"type": ["string"]},
        {},
    ],
)
def test_whatever_else_a_leaf_says_is_left_to_the_general_way(schema: dict[str, Any]) -> None:
    assert plain_leaf(schema) is None
