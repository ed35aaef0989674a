"""What says nothing about values although it looks so is named by its place."""

from __future__ import annotations

from typing import Any

import pytest

from forge_common.grammar.schema.unread_words import MAX_CHARACTERS, MAX_WORDS, unread_words

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string", "title": "T", "x-order": 1, "default": "", "maxLength": 3}, []),
        ({"properties": {"age": {"minimun": 0}}}, ["#/properties/age/minimun"]),
        ({"items": {"type": "integer", "format": "int32"}}, ["#/items/format"]),
        ({"anyOf": [{"format": "date"}, {"nullable": True}]}, ["#/anyOf/1/nullable"]),
        ({"$schema": DRAFT_7, "prefixItems": [{}]}, ["#/prefixItems"]),
        ({"$schema": DRAFT_7, "$ref": "#", "minLength": 1, "description": ""}, ["#/minLength"]),
        ({"$defs": {"a/b": {"requierd": []}}}, ["#/$defs/a~1b/requierd"]),
        ({"properties": {"nullable": {"type": "null"}}, "enum": [{"foo": 1}]}, []),
        (True, []),
        ([], []),
    ],
    ids=str,
)
def test_words_are_named(schema: Any, words: list[str]) -> None:
    assert unread_words(schema) == words


def test_many_words_and_deep_schemas_cost_little() -> None:
    deep: Any = {"wrong": 1}
    for _ in range(50_000):
        deep = {"not": deep}
    assert unread_words(deep) == []
    wide = {"properties": {f"p{index}": {"wrong": 1} for index in range(10_000)}}
    assert len(unread_words(wide)) == MAX_WORDS


def test_long_words_and_places_are_clipped() -> None:
    long = "w" * 10**6
    assert all(len(word) <= MAX_CHARACTERS + 1 for word in unread_words({long: 1}))
    (word,) = unread_words({"properties": {long: {"properties": {long: {"minimun": 1}}}}})
    assert len(word) <= MAX_CHARACTERS + 1
    assert word.startswith("#/properties/www")
    assert word.endswith("www/minimun")
