"""Bounds of values."""

from __future__ import annotations

import pytest

from forge_common.grammar.errors import GrammarTooLarge
from forge_common.grammar.schema.bounds import MAX_DEPTH, check_bounds


def test_bounds_name_the_place() -> None:
    value: object = {}
    for _ in range(MAX_DEPTH + 5):
        value = {"a": value}
    with pytest.raises(GrammarTooLarge) as raised:
        check_bounds(value)
    assert raised.value.pointer == "/a" * (MAX_DEPTH + 1)
    check_bounds({"a": [{"b": {}}]})
