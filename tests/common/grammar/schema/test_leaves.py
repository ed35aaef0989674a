"""Leaves: what has the same key means the same, and what a store has kept changes nothing."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.grammar.schema.documents import Document
from forge_common.grammar.schema.facts import Term
from forge_common.grammar.schema.leaves import LeafKey, leaf_key

LEAVES: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "string", "maxLength": 3},
    {"type": "string", "maxLength": 3.0},
    {"type": "string", "minLength": 3},
    {"type": "string", "const": "3"},
    {"type": "integer", "const": 3},
    {"enum": [1]},
    {"enum": [True]},
    {"enum": ["1"]},
    {"enum": [None]},
    {"enum": ["null"]},
    {"const": 1},
    {"const": Decimal("1.5")},
    {"const": Decimal("1.50001")},
    {"enum": ["a", "b"]},
    {"type": "number", "minimum": 1},
    {"type": "number", "exclusiveMinimum": 1},
]


def key_of(schema: Any) -> LeafKey | None:
    document = Document(schema)
    return leaf_key(document, frozenset({Term(document.root)}))


@pytest.mark.parametrize(("first", "second"), [*combinations(LEAVES, 2)])
def test_leaves_that_differ_have_different_keys(first, second) -> None:
    assert key_of(first) is not None
    assert key_of(first) != key_of(second)


def test_words_that_say_nothing_do_not_count() -> None:
    assert key_of({"type": "string", "title": "x", "x-y": [{}]}) == key_of({"type": "string"})


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "object"},
        {"type": ["string", "array"]},
        {"enum": [[1]]},
        {"const": {"a": 1}},
        {"const": [1]},
        {"anyOf": [{"type": "string"}]},
        {"type": "string", "not": {"const": "a"}},
        {"$ref": "#", "type": "string"},
        {"enum": ["x" * 1000]},
        {"enum": list(range(1000))},
        {"type": "integer", "minimum": 10**5000},
    ],
)
def test_what_holds_more_or_is_large_has_no_key(schema) -> None:
    assert key_of(schema) is None


def test_drafts_are_kept_apart() -> None:
    schema = {"type": "number", "minimum": 1}
    older = {**schema, "$schema": "http://json-schema.org/draft-04/schema#"}
    assert key_of(schema) != key_of(older)


def test_a_store_that_has_seen_a_leaf_gives_the_same_program() -> None:
    store = AutomatonStore()
    for leaf in LEAVES:
        schema = {"type": "object", "properties": {"a": leaf, "b": {"items": leaf}}}
        programs = [compile_schema(schema, SchemaOptions(), kept) for kept in (store, store, None)]
        assert programs[0] == programs[1] == programs[2]


def test_a_list_is_no_leaf_since_its_rule_calls_others() -> None:
    store = AutomatonStore()
    for before in ({}, {"b": {"enum": ["b"]}, "c": {"type": "null"}}):
        schema = {"type": "object", "properties": {**before, "a": {"const": [1]}}}
        kept, anew = (compile_schema(schema, SchemaOptions(), one) for one in (store, None))
        assert kept == anew


def test_a_leaf_is_refused_again_and_where_it_stands() -> None:
    store = AutomatonStore()
    for name in ("a", "b"):
        schema = {"properties": {name: {"type": "string", "pattern": "("}}}
        with pytest.raises(GrammarError) as refused:
            compile_schema(schema, SchemaOptions(), store)
        assert refused.value.pointer == f"/properties/{name}/pattern"
