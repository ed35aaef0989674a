"""Plain schemas: what most say in the usual words, read straight to a rule.

    leaf     a string with lengths, a number between bounds, an enum of texts
    object   properties, which of them are required, and what others may hold
    array    items, and how many

Shorter than the general way and no other: the same rule, or None where a schema says anything
else, is malformed, or may have no values. Knows no facts, no terms that are negated and no choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

import msgspec

from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import (
    AnyRule,
    Array,
    Choice,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    OtherProperties,
    Property,
    RuleIndex,
)
from forge_common.grammar.schema.assertions import Range
from forge_common.grammar.schema.documents import Place
from forge_common.grammar.schema.facts import Conjunction, everything, nothing
from forge_common.grammar.schema.json_values import is_encodable
from forge_common.grammar.schema.reader import MAX_COUNT
from forge_common.grammar.schema.workbench import Workbench

Schema = Mapping[str, object]
Value = AnyRule | Conjunction  # a leaf's rule, or what is read when its turn comes

BARE: Mapping[str, AnyRule] = {
    "string": JsonString(),
    "integer": Number(is_integer=True),
    "number": Number(),
    "boolean": Literals((b"true", b"false")),
    "null": Literals((b"null",)),
}
BARE_WORDS = frozenset({"type"})
STRING_WORDS = frozenset({"type", "minLength", "maxLength"})
NUMBER_WORDS = frozenset({"type", "minimum", "maximum"})
ENUM_WORDS = frozenset({"type", "enum"})
CONST_WORDS = frozenset({"type", "const"})
ARRAY_WORDS = frozenset({"type", "items", "minItems", "maxItems"})
OBJECT_WORDS = frozenset({"type", "properties", "required", "additionalProperties"})


class PlainRules:
    def __init__(self, bench: Workbench) -> None:
        self._document, self._references, self._rules, self._rule_of, self._is_ordered, _ = bench

    def make(self, conjunction: Conjunction) -> Choice | None:
        """None for what is not plain, or is wrong: the general way finds what to say of it."""
        if len(conjunction) != 1:
            return None
        (term,) = conjunction
        schema = self._document.schema(term.place)
        if term.is_negated or isinstance(schema, bool):
            return None
        try:
            return self._choice(term.place, schema)
        except GrammarTooLarge:
            raise  # it costs enough once
        except GrammarError:
            return None

    def _choice(self, place: Place, schema: Schema) -> Choice | None:
        rule = self._rule(place, schema)
        return None if rule is None else Choice((self._rules.add(rule),))

    def _rule(self, place: Place, schema: Schema) -> AnyRule | None:
        match schema.get("type"):
            case "object":
                return self._object(place, schema)
            case "array":
                return self._array(place, schema)
            case _:
                return plain_leaf(schema)

    def _object(self, place: Place, schema: Schema) -> Object | None:
        named, required = schema.get("properties", {}), schema.get("required", [])
        additional = schema.get("additionalProperties", True)
        if not (
            schema.keys() <= OBJECT_WORDS
            and isinstance(named, dict)
            and isinstance(required, list)
            and isinstance(additional, bool | dict)
            and all(isinstance(key, str) and key in named for key in required)
            and is_encodable("".join(named))
        ):
            return None
        others = self._value(additional, place, "additionalProperties")
        values = [self._value(value, place, "properties", key) for key, value in named.items()]
        are_required = frozenset(required)
        found = () if others == nothing() else (self._others(others, named),)
        properties = [
            Property(key, self._index(value), key in are_required)
            for key, value in zip(named, values, strict=True)
        ]
        return Object(tuple(properties), found, is_ordered=self._is_ordered)

    def _others(self, value: Value, named: Schema) -> OtherProperties:
        key = self._rules.add(JsonString(excluded=tuple(sorted(named))))
        return OtherProperties(key, self._index(value))

    def _array(self, place: Place, schema: Schema) -> Array | None:
        counts = _counts(schema, "minItems", "maxItems")
        if counts is None or not schema.keys() <= ARRAY_WORDS:
            return None
        items = schema.get("items", True)
        if not isinstance(items, bool | dict):
            return None
        value = self._value(items, place, "items")
        rest = None
        if counts.maximum != 0:
            rest = Item(None if value == nothing() else self._index(value))
        return Array(rest=rest, min_items=counts.minimum, max_items=counts.maximum)

    def _value(self, schema: object, place: Place, *path: str) -> Value:
        """What stands at `path` below a place: nothing has to be known of a leaf's own place."""
        if isinstance(schema, bool):
            return everything() if schema else nothing()
        leaf = plain_leaf(self._document.known(schema)) if isinstance(schema, dict) else None
        if leaf is not None:
            return leaf
        return self._references.conjunction(self._document.child(place, *path))

    def _index(self, value: Value) -> RuleIndex:
        return self._rule_of(value) if isinstance(value, frozenset) else self._rules.add(value)


def plain_leaf(schema: Schema) -> AnyRule | None:
    kind, words = schema.get("type"), schema.keys()
    if words <= BARE_WORDS:
        return BARE.get(kind) if isinstance(kind, str) else None
    if kind == "string" or "type" not in words:
        if words <= ENUM_WORDS:
            return _texts(schema["enum"])
        if words <= CONST_WORDS:
            return _texts([schema["const"]])
    if kind == "string" and words <= STRING_WORDS:
        counts = _counts(schema, "minLength", "maxLength")
        return None if counts is None else JsonString((), *counts)
    if kind in ("integer", "number") and words <= NUMBER_WORDS:
        return _number(kind == "integer", schema)
    return None


def _number(is_integer: bool, schema: Schema) -> Number | None:
    least, most = schema.get("minimum", 0), schema.get("maximum", 0)
    if not (_is_small(least) and _is_small(most)):
        return None
    if len(schema) == len(NUMBER_WORDS) and least >= most:
        return None
    return Number(
        is_integer=is_integer,
        minimum=str(least) if "minimum" in schema else None,
        maximum=str(most) if "maximum" in schema else None,
    )


def _texts(values: object) -> Literals | None:
    if not (values and isinstance(values, list) and all(isinstance(one, str) for one in values)):
        return None
    if len(set(values)) != len(values):
        return None
    try:
        return Literals(tuple(map(msgspec.json.encode, values)))
    except UnicodeEncodeError:
        return None


def _counts(schema: Schema, least: str, most: str) -> Range | None:
    minimum, maximum = schema.get(least, 0), schema.get(most, MAX_COUNT)
    if not (_is_small(minimum) and _is_small(maximum) and 0 <= minimum <= maximum):
        return None
    return Range(minimum, maximum if most in schema else None)


def _is_small(value: object) -> TypeGuard[int]:
    """An integer, which True is not."""
    return type(value) is int and -MAX_COUNT <= value <= MAX_COUNT
