"""Errors of grammars say what and where."""

from __future__ import annotations

from forge_common.grammar.errors import GrammarError, GrammarTooLarge


def test_what_is_missing_is_filled_in_on_the_way_up() -> None:
    error = GrammarTooLarge("too long").located("/properties/a", "pattern")
    assert isinstance(error, GrammarTooLarge)
    assert error.message == "pattern: too long (at /properties/a)"
    assert (error.pointer, error.keyword) == ("/properties/a", "pattern")


def test_the_innermost_place_stays() -> None:
    error = GrammarError("wrong", pointer="/a/b", keyword="type").located("/a", "allOf")
    assert (error.pointer, error.keyword) == ("/a/b", "type")


def test_the_root_has_a_name() -> None:
    assert str(GrammarError("wrong", pointer="")) == "wrong (at the root)"
    assert str(GrammarError("wrong")) == "wrong"
