"""One JSON value, judged a character at a time as `json` judges it whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_api.tools.json_value import MAX_ATOM_CHARACTERS, MAX_DEPTH, JsonValue
from forge_api.tools.reading import Unexpected

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


def refuse(word: str) -> None:
    raise ValueError(word)


def is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


def is_taken(text: str) -> bool:
    """Whether `text` is one whole value; a space shows where a number ends."""
    value = JsonValue()
    try:
        ends = [value.takes(character) for character in text + " "]
    except Unexpected:
        return False
    return value.is_complete and all(ends[:-1])


@given(st.dictionaries(st.text(max_size=3), values, max_size=3), st.sampled_from([None, 2]))
def test_every_object_is_taken_and_complete_with_its_last_brace(value: dict, indent: int) -> None:
    text = json.dumps(value, indent=indent, allow_nan=True)
    assert is_taken(text) == is_json(text)
    assert not is_taken(text[:-1])


@given(st.text(alphabet='{}[]",:\\u0a1-.eEtrufalsn \n', max_size=14))
def test_other_texts_are_judged_as_by_the_json_module(text: str) -> None:
    inside = f"[{text}]"
    assert is_taken(inside) == is_json(inside)


@pytest.mark.parametrize(
    "text", ["[01]", "[1.]", "[.5]", "[+1]", "[tru]", "[NaN]", "[1,]", '["\t"]']
)
def test_what_json_does_not_have_is_refused(text: str) -> None:
    assert not is_taken(text)


def test_depth_and_length_are_bounded() -> None:
    assert is_taken("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert not is_taken("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    assert is_taken(f"[{'1' * MAX_ATOM_CHARACTERS}]")
    assert not is_taken(f"[{'1' * (MAX_ATOM_CHARACTERS + 1)}]")
