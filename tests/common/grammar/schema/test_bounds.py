"""Bounds of values."""

from __future__ import annotations

import pytest

from forge_common.grammar.errors import GrammarTooLarge
from forge_common.grammar.schema.bounds import MAX_DEPTH, MAX_VALUES, check_bounds


def test_bounds_name_the_place() -> None:
    value: object = {}
    for _ in range(MAX_DEPTH + 5):
        value = {"a": value}
    with pytest.raises(GrammarTooLarge) as raised:
        check_bounds(value)
    assert raised.value.pointer == "/a" * (MAX_DEPTH + 1)
    check_bounds({"a": [{"b": {}}]})


def test_too_many_values_are_refused_where_they_are() -> None:
    with pytest.raises(GrammarTooLarge) as raised:
        check_bounds({"a": {"b": [0] * MAX_VALUES}})
    assert raised.value.pointer == "/a/b"
