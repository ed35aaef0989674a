"""General categories, code point by code point."""

from __future__ import annotations

import unicodedata

import pytest

from forge_common.grammar.automata.code_points import complement, is_surrogate, union
from forge_common.grammar.automata.unicode_properties import LONG_NAMES, UnicodeProperties
from forge_common.grammar.errors import GrammarError

PROPERTIES = UnicodeProperties()


@pytest.mark.parametrize("name", ["L", "Lu", "Cn", "Co", "Zs", "N"])
def test_a_category_holds_exactly_its_code_points(name: str) -> None:
    members = {
        code_point
        for span in PROPERTIES.find(name)
        for code_point in range(span.first, span.last + 1)
    }
    assert members == {
        code_point
        for code_point in range(0x110000)
        if unicodedata.category(chr(code_point)).startswith(name) and not is_surrogate(code_point)
    }


def test_main_categories_are_all_there_is() -> None:
    spans = [span for name in "CLMNPSZ" for span in PROPERTIES.find(name)]
    assert union(spans) == PROPERTIES.find("Any")
    assert complement(PROPERTIES.find("Cn")) == PROPERTIES.find("Assigned")


def test_long_names_mean_their_short_ones() -> None:
    for long, short in LONG_NAMES.items():
        assert PROPERTIES.find(long) == PROPERTIES.find(f"gc={short}")
    cased = [span for name in ("Lu", "Ll", "Lt") for span in PROPERTIES.find(name)]
    assert PROPERTIES.find("LC") == union(cased)


@pytest.mark.parametrize("name", ["Latin", "Script=Latin", "", "l", "Alphabetic", "gc=Any", "Lx"])
def test_other_properties_are_refused(name: str) -> None:
    with pytest.raises(GrammarError, match="general categories"):
        PROPERTIES.find(name)
