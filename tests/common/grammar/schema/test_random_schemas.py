"""Random schemas and values: what jsonschema says of them, their grammars say as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import jsonschema
import pytest
from msgspec import msgpack

from forge_common.grammar.check import Checker
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import Program
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.schema.json_values import value_text
from tests.common.grammar.reference import accepts
from tests.common.grammar.schema.languages import Languages
from tests.common.grammar.schema.random_schemas import DEEP, RandomSchemas, mutated
from tests.common.grammar.writer import Writer

NUM_SCHEMAS = 800
NUM_VALUES = 8
NUM_TEXTS = 25
# What may be refused, since a Program has no words for it.
REFUSED = {"uniqueItems", "not", "contains", "$ref", "items"} | {
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
}


def compiled(languages: Languages, schema: Any) -> Program | None:
    """None where it is too large or refused, with a pointer and one of the keywords that may be."""
    try:
        return languages.compile(schema)
    except GrammarTooLarge:  # beyond a limit of CPU time, which a busy machine reaches sooner
        return None
    except GrammarError as error:
        if error.pointer is None or error.keyword not in REFUSED:
            raise
        return None


def programs(random_schemas: RandomSchemas, languages: Languages) -> Iterator[tuple[Any, Program]]:
    for _ in range(NUM_SCHEMAS):
        schema = random_schemas.schema()
        program = compiled(languages, schema)
        if program is not None:
            yield schema, program


@pytest.mark.parametrize("seed_", [1, 2, 3])
def test_grammars_allow_what_jsonschema_does_and_nothing_else(seed_: int) -> None:
    languages, random_schemas = Languages(), RandomSchemas(seed_)
    num_allowed = num_programs = 0
    for schema, program in programs(random_schemas, languages):
        validator = jsonschema.Draft202012Validator(schema)
        num_programs += 1
        for value in (random_schemas.value() for _ in range(NUM_VALUES)):
            is_valid = validator.is_valid(value)
            text = value_text(value).encode()
            assert accepts(program, text, languages.automata) == is_valid, (schema, value)
            num_allowed += is_valid
        assert msgpack.decode(msgpack.encode(program), type=Program) == program
    assert num_programs > NUM_SCHEMAS * 0.8
    assert 0.2 < num_allowed / (num_programs * NUM_VALUES) < 0.9


def test_the_engine_allows_what_the_slow_recogniser_does() -> None:
    languages, checker, random_schemas = Languages(), Checker(), RandomSchemas(4)
    for schema, program in programs(random_schemas, languages):
        for value in (random_schemas.value() for _ in range(NUM_VALUES // 2)):
            text = value_text(value).encode()
            expected = accepts(program, text, languages.automata)
            assert checker.accepts(program, value) == expected, (schema, value)


@pytest.mark.parametrize("schema", DEEP, ids=lambda schema: json.dumps(schema)[:60])
def test_texts_that_a_grammar_writes_are_valid_and_changed_ones_are_judged_alike(
    schema: Any,
) -> None:
    writer, checker, random = Writer(5), Checker(), Random(6)
    program = Languages().compile(schema, SchemaOptions())
    in_any_order = Languages().compile(schema)
    validator = jsonschema.Draft202012Validator(schema)
    num_invalid = 0
    for _ in range(NUM_TEXTS):
        value = json.loads(writer.write(program), parse_float=Decimal)
        assert validator.is_valid(value), value
        changed = mutated(value, random)
        is_valid = validator.is_valid(changed)
        num_invalid += not is_valid
        assert checker.accepts(in_any_order, changed) == is_valid, changed
    assert num_invalid
