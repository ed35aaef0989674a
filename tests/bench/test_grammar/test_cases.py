"""The values that lead the engines fulfil their schemas, and are the same in every run."""

from __future__ import annotations

import jsonschema
import pytest

from forge_common.grammar.engine import Engine
from forge_common.grammar.spec import JsonSchema, compile_spec
from forge_common.grammar.vocabulary import Vocabulary
from tests.bench.grammar.cases import Case
from tests.bench.grammar.generator import generated_cases
from tests.bench.grammar.schemas import ten_cases

CASES = [*ten_cases(), *generated_cases(1, 25)]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(Vocabulary([bytes([byte]) for byte in range(256)]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_value_fulfils_its_schema(case: Case) -> None:
    checker = jsonschema.FormatChecker()
    jsonschema.Draft202012Validator(case.schema, format_checker=checker).validate(case.instance)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_grammar_of_a_schema_ends_with_its_value(case: Case, engine: Engine) -> None:
    state = engine.start(compile_spec(JsonSchema(case.schema)))
    end = state.advance_bytes(case.text.encode())
    assert end is not None
    assert end.is_accepting


def test_there_are_ten_shapes() -> None:
    assert len({case.name for case in ten_cases()}) == 10


def test_equal_seeds_give_equal_cases() -> None:
    assert list(generated_cases(5, 10)) == list(generated_cases(5, 10))


def test_generated_schemas_differ() -> None:
    texts = [case.text for seed in (1, 2) for case in generated_cases(seed, 50)]
    assert len(set(texts)) == 100


def test_generated_schemas_have_many_keywords() -> None:
    text = str([case.schema for case in generated_cases(1, 200)])
    for keyword in ("pattern", "format", "enum", "anyOf", "minimum", "maxLength", "maxItems"):
        assert f"'{keyword}'" in text
