"""Schemas as people write them compile, and allow what they are for and nothing else."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import jsonschema
import pytest

from forge_common.grammar.check import Checker
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.schema.compiler import SchemaOptions
from tests.common.grammar.schema.languages import Languages
from tests.common.grammar.schema.random_schemas import mutated
from tests.common.grammar.schema.real_schemas import REAL, REFUSED, Real
from tests.common.grammar.writer import Writer

NUM_TEXTS = 6
NUM_CHANGES = 40
# Of formats that jsonschema checks only with further packages: enough for changed values.
FORMS = {"date-time": r"\d{4}-\d\d-\d\d[Tt].*", "duration": r"P.*\d[HMSDWY]", "uri": r"[a-z]+:.*"}


def validator_of(schema: Any) -> jsonschema.protocols.Validator:
    found = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    formats = jsonschema.FormatChecker(["email", "uuid", "date"])
    for name, form in FORMS.items():
        formats.checks(name)(partial(_has_form, re.compile(form)))
    return found(schema, format_checker=formats)


def _has_form(form: re.Pattern[str], value: object) -> bool:
    return not isinstance(value, str) or form.fullmatch(value) is not None


@pytest.mark.parametrize("real", REAL, ids=lambda real: real.name)
def test_values_are_judged_as_they_should_be(real: Real) -> None:
    checker, validator = Checker(), validator_of(real.schema)
    program = Languages().compile(real.schema)
    for value in real.valid:
        assert validator.is_valid(value), value
        assert checker.accepts(program, value), value
    for value in real.invalid:
        assert not checker.accepts(program, value), value


@pytest.mark.parametrize("real", REAL, ids=lambda real: real.name)
def test_changed_values_are_judged_as_jsonschema_does(real: Real) -> None:
    checker, validator, random = Checker(), validator_of(real.schema), Random(real.name)
    program = Languages().compile(real.schema)
    for _ in range(NUM_CHANGES):
        value = mutated(random.choice(real.valid), random)
        assert checker.accepts(program, value) == validator.is_valid(value), value


@pytest.mark.parametrize("real", REAL, ids=lambda real: real.name)
def test_what_a_schema_writes_is_valid(real: Real) -> None:
    writer, validator = Writer(len(real.name)), validator_of(real.schema)
    program = Languages().compile(real.schema, SchemaOptions())
    for _ in range(NUM_TEXTS):
        value = json.loads(writer.write(program), parse_float=Decimal)
        assert validator.is_valid(value), value


@pytest.mark.parametrize(("keyword", "schema"), REFUSED, ids=[str(one) for one in REFUSED])
def test_what_cannot_be_exact_is_refused_by_its_keyword(keyword: str, schema: Any) -> None:
    with pytest.raises(GrammarError) as raised:
        Languages().compile(schema)
    assert raised.value.keyword == keyword
