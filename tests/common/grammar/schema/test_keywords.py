"""Every keyword, with values that fulfil it and values that do not."""

from __future__ import annotations

import json

import jsonschema
import pytest

from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.schema.json_values import value_text
from tests.common.grammar.schema.keyword_cases import CASES, OLD_DRAFTS, Case
from tests.common.grammar.schema.languages import Languages

ALL_CASES = [*CASES, *OLD_DRAFTS]


@pytest.fixture(scope="module")
def languages() -> Languages:
    return Languages()


def name_of(case: Case) -> str:
    return f"{case.keyword}: {json.dumps(case.schema)[:60]}"


@pytest.mark.parametrize("case", ALL_CASES, ids=name_of)
def test_values_that_fulfil_a_schema_are_allowed(case: Case, languages: Languages) -> None:
    for value in case.valid:
        assert languages.allows(case.schema, value), value


@pytest.mark.parametrize("case", ALL_CASES, ids=name_of)
def test_values_that_do_not_fulfil_a_schema_are_not(case: Case, languages: Languages) -> None:
    for value in case.invalid:
        assert not languages.allows(case.schema, value), value


# jsonschema divides floats there.
CASES_FOR_FLOATS = [case for case in ALL_CASES if case.keyword != "multipleOf in decimals"]


@pytest.mark.parametrize("case", CASES_FOR_FLOATS, ids=name_of)
def test_the_cases_themselves_are_right(case: Case) -> None:
    validator_class = jsonschema.validators.validator_for(
        case.schema, default=jsonschema.Draft202012Validator
    )
    validator = validator_class(case.schema)
    assert all(validator.is_valid(value) for value in case.valid)
    assert not any(validator.is_valid(value) for value in case.invalid)


NOT_NEGATED = frozenset(
    {
        "multipleOf in decimals",
        "not multipleOf",
        "uniqueItems",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependentSchemas",
        "unevaluatedProperties",
        "unevaluatedItems",
        "not of a closed object",
        "prefixItems",
        "enum",
        "const",
        "oneOf",
        "$dynamicRef",
        "$anchor",
        "recursion",
    }
)
NEGATED = [
    case
    for case in CASES
    if case.keyword not in NOT_NEGATED and "$ref" not in json.dumps(case.schema)
]


@pytest.mark.parametrize("case", NEGATED, ids=name_of)
def test_negation_turns_a_language_around(case: Case, languages: Languages) -> None:
    opposite = {"not": case.schema}
    for value in case.invalid:
        assert languages.allows(opposite, value), value
    for value in case.valid:
        assert not languages.allows(opposite, value), value


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_order_of_the_schema_allows_no_more_values(case: Case, languages: Languages) -> None:
    ordered = SchemaOptions(property_order="schema")
    for value in case.invalid:
        assert not languages.allows_text(case.schema, value_text(value), ordered)
