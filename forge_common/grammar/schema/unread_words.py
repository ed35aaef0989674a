"""Words of a schema that look as if they said something about values, and do not.

A keyword that the schema's draft does not know, a misspelt one, a format that no standard of JSON
Schema has: annotations by its rules, so nothing is refused, but whoever wrote them may want to
know. Words that are meant as annotations are passed over. Knows no meanings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from forge_common.grammar.automata.formats import FORMATS
from forge_common.grammar.schema.addresses import pointer_token
from forge_common.grammar.schema.keywords import Draft, draft_of, known_keywords, subschemas

MAX_WORDS = 16
MAX_SCHEMAS = 2000  # that are looked at
MAX_CHARACTERS = 200  # of a pointer: its beginning and its end
ANNOTATIONS = frozenset(
    {
        *("$schema", "$id", "id", "$comment", "$defs", "definitions", "$anchor", "$vocabulary"),
        *("$dynamicAnchor", "$recursiveAnchor", "title", "description", "default", "examples"),
        *("example", "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentSchema"),
        *("contentMediaType", "discriminator", "xml", "externalDocs"),
    }
)
VENDOR = "x-"


class _At(NamedTuple):
    pointer: str
    schema: object


def unread_words(schema: object) -> list[str]:
    """JSON pointers to the first of them, `#/properties/age/minimun`; long ones are clipped."""
    draft = draft_of(schema, otherwise=Draft.DRAFT_2020)
    found = (
        _clipped(f"#{at.pointer}{pointer_token(word)}")
        for at in islice(_schemas(schema), MAX_SCHEMAS)
        if isinstance(at.schema, dict)
        for word in _unread(at.schema, draft)
    )
    return list(islice(found, MAX_WORDS))


def _schemas(root: object) -> Iterator[_At]:
    """Outer ones first; without recursion, since nobody has bounded their depth."""
    waiting = [_At("", root)]
    for at in waiting:
        yield at
        if isinstance(at.schema, dict) and len(waiting) < MAX_SCHEMAS:
            for path, inner in islice(subschemas(at.schema), MAX_SCHEMAS):
                pointer = _clipped(at.pointer + "".join(map(pointer_token, path)))
                waiting.append(_At(pointer, inner))


def _clipped(pointer: str) -> str:
    """Without its middle, where it is long: nobody has bounded the words of a schema."""
    if len(pointer) <= MAX_CHARACTERS:
        return pointer
    half = MAX_CHARACTERS // 2
    return f"{pointer[:half]}…{pointer[-half:]}"


def _unread(schema: Mapping[str, object], draft: Draft) -> Iterator[str]:
    known = known_keywords(schema, draft)
    for word, value in schema.items():
        is_annotation = word in ANNOTATIONS or word.startswith(VENDOR)
        is_free_format = word == "format" and isinstance(value, str) and value not in FORMATS
        if is_free_format or (word not in known and not is_annotation):
            yield word
