"""Random schemas whose items or keys must differ, and values that nearly fulfil them."""

from __future__ import annotations

from random import Random
from typing import Any

SCALARS = [None, True, False, 0, 1, 2, 1.0, 1.5, "a", "b", "ab", ""]
LEAVES: list[Any] = [
    {"type": "integer"},
    {"type": "string"},
    {"type": "string", "maxLength": 1},
    {"enum": [0, "a", None]},
    {"enum": [True, 1, "b"]},
    {"type": "boolean"},
    {"type": ["number", "null"]},
    {"type": "integer", "minimum": 0, "maximum": 3},
    {"const": 1},
]
LISTED = [1, [1], [1, 2], {"a": 1}, {"a": 1, "b": [2]}, "a"]
NAMES = [{"maxLength": 1}, {"pattern": "^[ab]$"}, {"pattern": "^[ab]"}, {"pattern": "^x"}]
KEYS = ["a", "b", "c", "d", "ab", "x", "xy", "é"]


class RandomUnique:
    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def array(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "array", "uniqueItems": True}
        if self._may(0.3):
            found["prefixItems"] = self._several(1)
        found["items"] = self._item(2) if self._may(0.9) else False
        if self._may(0.4):
            found["minItems"] = self._random.randrange(4)
        if self._may(0.4):
            found["maxItems"] = self._random.randrange(1, 5)
        return found

    def object(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "object", "minProperties": self._random.randrange(1, 5)}
        optional = {
            "properties": {key: self._item(1) for key in self._random.sample("abcd", 2)},
            "patternProperties": {self._random.choice(["^a", "[bc]", "d$"]): self._item(1)},
            "additionalProperties": self._random.choice([self._item(1), True, False]),
            "maxProperties": self._random.randrange(1, 5),
            "required": self._random.sample("abc", self._random.randrange(3)),
            "propertyNames": self._random.choice(NAMES),
        }
        return found | {keyword: value for keyword, value in optional.items() if self._may(0.4)}

    def value(self, schema: Any) -> Any:
        """In the order of the schema."""
        if self._may(0.06) or not isinstance(schema, dict):
            return self._random.choice(SCALARS)
        if "anyOf" in schema:
            return self.value(self._random.choice(schema["anyOf"]))
        kind = schema.get("type")
        kind = self._random.choice(kind) if isinstance(kind, list) else kind
        if kind == "array":
            return self._array_value(schema)
        if kind == "object":
            return self._object_value(schema)
        scalars: dict[str, list[Any]] = {
            "integer": [0, 1, 2, 3, 1.0],
            "string": ["", "a", "b", "ab"],
            "boolean": [True, False],
            "number": [1, 1.5],
            "null": [None],
        }
        listed: list[Any] = schema.get("enum", SCALARS)
        return schema.get("const", self._random.choice(scalars.get(str(kind), listed)))

    def _may(self, chance: float) -> bool:
        return self._random.random() < chance

    def _several(self, depth: int) -> list[Any]:
        return [self._item(depth) for _ in range(self._random.randrange(1, 3))]

    def _item(self, depth: int) -> Any:
        shape = self._random.random() if depth else 0
        if shape < 0.25:
            return self._random.choice(LEAVES)
        if shape < 0.6:
            keys = sorted(self._random.sample("abc", self._random.randrange(4)))
            return {
                "type": self._random.choice(["object", ["object", "null"]]),
                "properties": {key: self._item(depth - 1) for key in keys},
                "required": keys[: self._random.randrange(3)],
                "additionalProperties": False,
            }
        if shape < 0.85:
            found = {"type": "array", "items": self._item(depth - 1)}
            optional = {
                "maxItems": self._random.randrange(3),
                "uniqueItems": True,
                "prefixItems": self._several(depth - 1),
            }
            return found | {word: value for word, value in optional.items() if self._may(0.3)}
        return {"anyOf": self._several(depth - 1)} if shape < 0.95 else {"enum": LISTED}

    def _array_value(self, schema: dict[str, Any]) -> list[Any]:
        prefix = schema.get("prefixItems", [])
        found = [
            self.value(prefix[index] if index < len(prefix) else schema.get("items"))
            for index in range(self._random.randrange(5))
        ]
        if found and self._may(0.2):
            found[self._random.randrange(len(found))] = self._random.choice(found)
        return found

    def _object_value(self, schema: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for key, inner in schema.get("properties", {}).items():
            if self._may(0.9 if key in schema.get("required", []) else 0.6):
                found[key] = self.value(inner)
        if "minProperties" in schema:
            others = [*schema.get("patternProperties", {}).values()]
            others.append(schema.get("additionalProperties", True))
            for key in self._random.sample(KEYS, self._random.randrange(5)):
                found.setdefault(key, self.value(self._random.choice(others)))
        return found
