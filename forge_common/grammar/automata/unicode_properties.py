"""\\p{…}: general categories, ASCII, Any and Assigned, from Python's own Unicode tables.

Scripts and derived properties are not in those tables, so they are refused. The tables are read
once an object, at the first property asked for. Knows no other part of a pattern.
"""

from __future__ import annotations

import unicodedata
from functools import cached_property
from itertools import groupby

from forge_common.grammar.automata.code_points import (
    ANY,
    ASCII,
    MAX_CODE_POINT,
    CodePoints,
    Span,
    complement,
    union,
)
from forge_common.grammar.errors import GrammarError

LAST_VARIED = 0x3FFFF  # planes 4 to 13 hold nothing, 14 a few, 15 and 16 are private
FIRST_OF_PLANE_14 = 0xE0000
LAST_OF_PLANE_14 = 0xE0FFF
FIRST_PRIVATE_PLANE = 0xF0000
LONG_NAMES = {
    "Other": "C",
    "Control": "Cc",
    "Format": "Cf",
    "Unassigned": "Cn",
    "Private_Use": "Co",
    "Letter": "L",
    "Cased_Letter": "LC",
    "Lowercase_Letter": "Ll",
    "Modifier_Letter": "Lm",
    "Other_Letter": "Lo",
    "Titlecase_Letter": "Lt",
    "Uppercase_Letter": "Lu",
    "Mark": "M",
    "Combining_Mark": "M",
    "Spacing_Mark": "Mc",
    "Enclosing_Mark": "Me",
    "Nonspacing_Mark": "Mn",
    "Number": "N",
    "Decimal_Number": "Nd",
    "digit": "Nd",
    "Letter_Number": "Nl",
    "Other_Number": "No",
    "Punctuation": "P",
    "punct": "P",
    "Connector_Punctuation": "Pc",
    "Dash_Punctuation": "Pd",
    "Close_Punctuation": "Pe",
    "Final_Punctuation": "Pf",
    "Initial_Punctuation": "Pi",
    "Other_Punctuation": "Po",
    "Open_Punctuation": "Ps",
    "Symbol": "S",
    "Currency_Symbol": "Sc",
    "Modifier_Symbol": "Sk",
    "Math_Symbol": "Sm",
    "Other_Symbol": "So",
    "Separator": "Z",
    "Line_Separator": "Zl",
    "Paragraph_Separator": "Zp",
    "Space_Separator": "Zs",
}
CASED = ("Lu", "Ll", "Lt")


class UnicodeProperties:
    def __init__(self) -> None:
        self._found: dict[str, CodePoints] = {}

    def find(self, name: str) -> CodePoints:
        """The set behind \\p{name}."""
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._find(name)
        return found

    def _find(self, name: str) -> CodePoints:
        key, is_pair, value = name.partition("=")
        if is_pair and key not in ("General_Category", "gc"):
            raise GrammarError(f"\\p{{{name}}} is not supported: only general categories are")
        if not is_pair and name in ("Any", "ASCII", "Assigned"):
            return {"Any": ANY, "ASCII": ASCII, "Assigned": complement(self._category("Cn"))}[name]
        category = value if is_pair else name
        return self._category(LONG_NAMES.get(category, category))

    def _category(self, name: str) -> CodePoints:
        wanted = CASED if name == "LC" else (name,)
        found = [
            span
            for category, spans in self._by_category.items()
            if category.startswith(wanted)
            for span in spans
        ]
        if not found or not name:
            raise GrammarError(f"\\p{{{name}}} is not supported: only general categories are")
        return union(found)

    @cached_property
    def _by_category(self) -> dict[str, list[Span]]:
        spans: dict[str, list[Span]] = {}
        parts = (
            Span(0, LAST_VARIED),
            Span(FIRST_OF_PLANE_14, LAST_OF_PLANE_14),
            Span(FIRST_PRIVATE_PLANE - 2, FIRST_PRIVATE_PLANE - 1),
        )
        for part in parts:
            _add_spans(spans, part)
        spans["Cn"] += [
            Span(LAST_VARIED + 1, FIRST_OF_PLANE_14 - 1),
            Span(LAST_OF_PLANE_14 + 1, FIRST_PRIVATE_PLANE - 3),
        ]
        for first in (FIRST_PRIVATE_PLANE, FIRST_PRIVATE_PLANE + 0x10000):
            spans["Co"].append(Span(first, first + 0xFFFD))
            spans["Cn"].append(Span(first + 0xFFFE, min(first + 0xFFFF, MAX_CODE_POINT)))
        return spans


def _add_spans(spans: dict[str, list[Span]], part: Span) -> None:
    categories = map(unicodedata.category, map(chr, range(part.first, part.last + 1)))
    first = part.first
    for category, run in groupby(categories):
        num_code_points = sum(1 for _ in run)
        spans.setdefault(category, []).append(Span(first, first + num_code_points - 1))
        first += num_code_points
