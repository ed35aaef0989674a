"""Plain schemas: what most say in the usual words, read straight to a rule.

    leaf     a string with lengths, a number between bounds, an enum of texts
    object   properties, which of them are required, and what others may hold
    array    items, and how many

Shorter than the general way and no other: the same rule, or None where a schema says anything
else, is malformed, or may have no values. Knows no facts, no terms that are negated and no choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeGuard

from forge_common.grammar.program import (
    AnyRule,
    Array,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    OtherProperties,
    Property,
    RuleIndex,
)
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.assertions import Assertions, Range
from forge_common.grammar.schema.documents import Document, Place
from forge_common.grammar.schema.facts import Conjunction, everything, is_nothing
from forge_common.grammar.schema.json_values import is_encodable, string_text
from forge_common.grammar.schema.reader import MAX_COUNT

Schema = Mapping[str, object]

STRING_WORDS = frozenset({"type", "minLength", "maxLength"})
NUMBER_WORDS = frozenset({"type", "minimum", "maximum"})
ENUM_WORDS = frozenset({"type", "enum"})
ARRAY_WORDS = frozenset({"type", "items", "minItems", "maxItems"})
OBJECT_WORDS = frozenset({"type", "properties", "required", "additionalProperties"})


class PlainRules:
    def __init__(
        self,
        document: Document,
        assertions: Assertions,
        rules: RuleTable,
        rule_of: Callable[[Conjunction], RuleIndex],
        is_ordered: bool,
    ) -> None:
        self._document = document
        self._assertions = assertions
        self._rules = rules
        self._rule_of = rule_of
        self._is_ordered = is_ordered

    def make(self, conjunction: Conjunction) -> AnyRule | None:
        """None for what is not plain."""
        if len(conjunction) != 1:
            return None
        (term,) = conjunction
        schema = self._document.schema(term.place)
        if term.is_negated or isinstance(schema, bool):
            return None
        match schema.get("type"):
            case "object":
                return self._object(term.place, schema)
            case "array":
                return self._array(term.place, schema)
            case _:
                return plain_leaf(schema)

    def _object(self, place: Place, schema: Schema) -> Object | None:
        named, required = schema.get("properties"), schema.get("required", [])
        additional = schema.get("additionalProperties", True)
        if not (
            schema.keys() <= OBJECT_WORDS
            and named
            and isinstance(named, dict)
            and isinstance(required, list)
            and isinstance(additional, bool | dict)
            and all(isinstance(key, str) and key in named for key in required)
            and all(map(is_encodable, named))
        ):
            return None
        others = everything()
        if "additionalProperties" in schema:
            others = self._conjunction_at(place, "additionalProperties")
        children = self._document.members(place, "properties", named)
        values = [self._assertions.conjunction(child) for child in children]
        are_required = frozenset(required)
        found = () if is_nothing(others) else (self._others(others, named),)
        properties = [
            Property(key, self._rule_of(value), key in are_required)
            for key, value in zip(named, values, strict=True)
        ]
        return Object(tuple(properties), found, is_ordered=self._is_ordered)

    def _others(self, value: Conjunction, named: Schema) -> OtherProperties:
        key = self._rules.add(JsonString(excluded=tuple(sorted(named))))
        return OtherProperties(key, self._rule_of(value))

    def _array(self, place: Place, schema: Schema) -> Array | None:
        counts = _counts(schema, "minItems", "maxItems")
        if counts is None or not schema.keys() <= ARRAY_WORDS:
            return None
        if not isinstance(schema.get("items", True), bool | dict):
            return None
        items = self._conjunction_at(place, "items") if "items" in schema else everything()
        rest = None
        if counts.maximum != 0:
            rest = Item(None if is_nothing(items) else self._rule_of(items))
        return Array(rest=rest, min_items=counts.minimum, max_items=counts.maximum)

    def _conjunction_at(self, place: Place, keyword: str) -> Conjunction:
        return self._assertions.conjunction(self._document.child(place, keyword))


def plain_leaf(schema: Schema) -> AnyRule | None:
    kind = schema.get("type", "string" if "enum" in schema else None)
    if "enum" in schema:
        has_texts_only = schema.keys() <= ENUM_WORDS and kind == "string"
        return _texts(schema["enum"]) if has_texts_only else None
    if kind == "string" and schema.keys() <= STRING_WORDS:
        counts = _counts(schema, "minLength", "maxLength")
        return None if counts is None else JsonString((), *counts)
    if kind in ("integer", "number") and schema.keys() <= NUMBER_WORDS:
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
    if len(set(values)) != len(values) or not all(map(is_encodable, values)):
        return None
    return Literals(tuple([string_text(value).encode() for value in values]))


def _counts(schema: Schema, least: str, most: str) -> Range | None:
    minimum, maximum = schema.get(least, 0), schema.get(most, MAX_COUNT)
    if not (_is_small(minimum) and _is_small(maximum) and 0 <= minimum <= maximum):
        return None
    return Range(minimum, maximum if most in schema else None)


def _is_small(value: object) -> TypeGuard[int]:
    """An integer, which True is not."""
    return type(value) is int and -MAX_COUNT <= value <= MAX_COUNT
