"""Leaves: schemas of scalar values that hold no others, which documents have in common.

What a leaf comes to depends on its own keywords alone. So it can be worked out once and kept under
its key, for all documents. Knows nothing of what keywords mean.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from forge_common.grammar.schema.documents import Document
from forge_common.grammar.schema.facts import Conjunction
from forge_common.grammar.schema.keywords import Draft

KEYWORDS = {
    "type", "enum", "const", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
}  # fmt: skip
SCALAR_TYPES = {"string", "integer", "number", "boolean", "null"}
MAX_LISTED = 32
MAX_CHARACTERS = 500  # of a text
MAX_INTEGER = 2**64


class LeafKey(NamedTuple):
    draft: Draft
    keywords: tuple[str, ...]
    values: tuple[Hashable, ...]


class _Scalar(NamedTuple):
    """Of one type: 1, 1.0 and True are equal, and are not the same."""

    kind: type
    value: object


def leaf_key(document: Document, conjunction: Conjunction) -> LeafKey | None:
    """None where it is more than a leaf, or too large to be kept."""
    if len(conjunction) != 1:
        return None
    (term,) = conjunction
    schema = document.schema(term.place)
    if term.is_negated or isinstance(schema, bool) or not _is_leaf(schema):
        return None
    values = tuple(map(_hashable, schema.values()))
    return None if None in values else LeafKey(document.draft, tuple(schema), values)


def _is_leaf(schema: Mapping[str, object]) -> bool:
    if not schema.keys() <= KEYWORDS or isinstance(schema.get("const"), list):
        return False
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind in SCALAR_TYPES
    return "enum" in schema or "const" in schema


def _hashable(value: object) -> Hashable | None:
    """None for what is too large, or no scalar, or a list of others than scalars."""
    if isinstance(value, list):
        scalars = tuple(map(_scalar, value)) if len(value) <= MAX_LISTED else (None,)
        return None if None in scalars else scalars
    return _scalar(value)


def _scalar(value: object) -> str | _Scalar | None:
    if isinstance(value, str):
        return value if len(value) <= MAX_CHARACTERS else None
    if isinstance(value, list | dict) or (isinstance(value, int) and abs(value) > MAX_INTEGER):
        return None
    return _Scalar(type(value), value)
