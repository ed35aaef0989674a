"""Which words of a schema say something about values, in which drafts, and which hold schemas.

    in KEYWORDS     honoured, or refused where that cannot be done exactly
    all others      ignored, as JSON Schema has it: annotations, vendor extensions, unknown words

A word that came with a later draft than the one `$schema` names is unknown there. Without
`$schema` all are known. Knows no values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from forge_common.grammar.errors import GrammarError


class Draft(IntEnum):
    DRAFT_4 = 4
    DRAFT_6 = 6
    DRAFT_7 = 7
    DRAFT_2019 = 2019
    DRAFT_2020 = 2020


FIRST_DRAFT = Draft.DRAFT_4
DRAFT_NAMES = {
    "draft-04": Draft.DRAFT_4,
    "draft-06": Draft.DRAFT_6,
    "draft-07": Draft.DRAFT_7,
    "2019-09": Draft.DRAFT_2019,
    "2020-12": Draft.DRAFT_2020,
}

KEYWORDS: Mapping[str, Draft] = {
    "$ref": FIRST_DRAFT,
    "allOf": FIRST_DRAFT,
    "anyOf": FIRST_DRAFT,
    "oneOf": FIRST_DRAFT,
    "not": FIRST_DRAFT,
    "type": FIRST_DRAFT,
    "enum": FIRST_DRAFT,
    "minimum": FIRST_DRAFT,
    "maximum": FIRST_DRAFT,
    "exclusiveMinimum": FIRST_DRAFT,
    "exclusiveMaximum": FIRST_DRAFT,
    "multipleOf": FIRST_DRAFT,
    "minLength": FIRST_DRAFT,
    "maxLength": FIRST_DRAFT,
    "pattern": FIRST_DRAFT,
    "format": FIRST_DRAFT,
    "items": FIRST_DRAFT,
    "additionalItems": FIRST_DRAFT,
    "minItems": FIRST_DRAFT,
    "maxItems": FIRST_DRAFT,
    "uniqueItems": FIRST_DRAFT,
    "properties": FIRST_DRAFT,
    "patternProperties": FIRST_DRAFT,
    "additionalProperties": FIRST_DRAFT,
    "required": FIRST_DRAFT,
    "minProperties": FIRST_DRAFT,
    "maxProperties": FIRST_DRAFT,
    "dependencies": FIRST_DRAFT,
    "const": Draft.DRAFT_6,
    "contains": Draft.DRAFT_6,
    "propertyNames": Draft.DRAFT_6,
    "if": Draft.DRAFT_7,
    "then": Draft.DRAFT_7,
    "else": Draft.DRAFT_7,
    "minContains": Draft.DRAFT_2019,
    "maxContains": Draft.DRAFT_2019,
    "dependentRequired": Draft.DRAFT_2019,
    "dependentSchemas": Draft.DRAFT_2019,
    "unevaluatedItems": Draft.DRAFT_2019,
    "unevaluatedProperties": Draft.DRAFT_2019,
    "$recursiveRef": Draft.DRAFT_2019,
    "$dynamicRef": Draft.DRAFT_2020,
    "prefixItems": Draft.DRAFT_2020,
}
KNOWN: Mapping[Draft, frozenset[str]] = {
    draft: frozenset(word for word, first in KEYWORDS.items() if first <= draft) for draft in Draft
}
UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")

HOLDS_SCHEMA = frozenset(
    {
        "not",
        "if",
        "then",
        "else",
        "items",
        "additionalItems",
        "contains",
        "additionalProperties",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
HOLDS_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
HOLDS_MAP = frozenset(
    {
        "properties",
        "patternProperties",
        "dependentSchemas",
        "dependencies",
        "$defs",
        "definitions",
    }
)


class Subschema(NamedTuple):
    path: tuple[str, ...]  # from the schema that holds it
    schema: object


def draft_of(schema: object, otherwise: Draft) -> Draft:
    """The draft that `$schema` names; an unknown one is taken for the newest."""
    if not isinstance(schema, dict) or not isinstance(schema.get("$schema"), str):
        return otherwise
    name = schema["$schema"]
    if "draft-03" in name:
        raise GrammarError("draft 3 is not supported", pointer="", keyword="$schema")
    found = (draft for part, draft in DRAFT_NAMES.items() if part in name)
    return next(found, Draft.DRAFT_2020)


def known_keywords(schema: Mapping[str, object], draft: Draft) -> Mapping[str, object]:
    """What is left of a schema without the words that say nothing about values."""
    if draft <= Draft.DRAFT_7 and "$ref" in schema:
        return {"$ref": schema["$ref"]}  # its siblings are ignored there
    known = KNOWN[draft]
    if schema.keys() <= known:
        return schema
    return {keyword: value for keyword, value in schema.items() if keyword in known}


def subschemas(schema: Mapping[str, object]) -> Iterator[Subschema]:
    for keyword, value in schema.items():
        if keyword in HOLDS_MAP and isinstance(value, dict):
            for name, inner in value.items():
                yield Subschema((keyword, name), inner)
        elif keyword in HOLDS_LIST and isinstance(value, list):
            for index, inner in enumerate(value):
                yield Subschema((keyword, str(index)), inner)
        elif keyword in HOLDS_SCHEMA:
            yield Subschema((keyword,), value)
