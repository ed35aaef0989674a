"""Random schemas whose items or keys must differ: grammars say what jsonschema says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import jsonschema
import pytest

from forge_common.grammar.check import Checker
from forge_common.grammar.engine import Engine
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.productive import is_empty
from forge_common.grammar.program import Program
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.grammar.vocabulary import Vocabulary
from tests.common.grammar.schema.random_unique import RandomUnique
from tests.common.grammar.writer import Writer

NUM_SCHEMAS = 250
NUM_VALUES = 8


class Made(NamedTuple):
    schema: Any
    program: Program | None  # None where nothing fulfils it


def made(random: RandomUnique, options: SchemaOptions) -> Iterator[Made]:
    for index in range(NUM_SCHEMAS):
        schema = random.array() if index % 2 else random.object()
        program = compile_schema(schema, options)
        refusal = "" if is_empty(program) else refusal_of(program)
        if "no item may be left" not in refusal:
            is_impossible = is_empty(program) or "not so many different" in refusal
            yield Made(schema, None if is_impossible else program)


def refusal_of(program: Program) -> str:
    try:
        Engine(Vocabulary([b"0"])).start(program)
    except GrammarError as error:
        return error.reason
    return ""


@pytest.mark.parametrize("whitespace", ["compact", "free"])
def test_grammars_allow_what_jsonschema_does_and_nothing_else(whitespace: Any) -> None:
    random, checker = RandomUnique(1), Checker()
    num_allowed = 0
    for schema, program in made(random, SchemaOptions("any", whitespace)):
        validator = jsonschema.Draft202012Validator(schema)
        for value in (random.value(schema) for _ in range(NUM_VALUES)):
            is_valid = validator.is_valid(value)
            is_allowed = program is not None and checker.accepts(program, value)
            assert is_allowed == is_valid, (schema, value)
            num_allowed += is_valid
    assert num_allowed > NUM_SCHEMAS


def test_texts_that_grammars_write_are_valid() -> None:
    random, writer = RandomUnique(2), Writer(3)
    for schema, program in made(random, SchemaOptions()):
        if program is None or "d$" in schema.get("patternProperties", ()):
            continue  # by chance no key ends like that
        text = writer.write(program)
        value = json.loads(text, parse_float=Decimal)
        assert jsonschema.Draft202012Validator(schema).is_valid(value), (schema, text)
