"""Patterns that only say how often one class may occur, such as `^[a-z]{3,12}$`.

Written as `^[a-z]*$` and a length from 3 to 12 they cost one state in place of twelve. Knows no
automata.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from interegular.patterns import Pattern as Tree
from interegular.patterns import _CharGroup, _Concatenation, _Repeated
from msgspec.structs import replace

from forge_common.grammar.automata.pattern_syntax import AT_END, AT_START
from forge_common.grammar.program import JsonString, Pattern

ENDS_IN_COUNT = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}\??\$$")


class CountedClass(NamedTuple):
    pattern: str  # any number of the class
    min_length: int
    max_length: int | None


def find_counted_class(text: str, tree: Tree) -> CountedClass | None:
    """`tree` is that of `text`. None where it says more, or less."""
    count = ENDS_IN_COUNT.search(text)
    if not count or len(tree.options) != 1:
        return None
    (option,) = tree.options
    if not isinstance(option, _Concatenation) or len(option.parts) != 3:
        return None
    before, repeated, behind = option.parts
    if not (_is_anchor(before, AT_START) and _is_anchor(behind, AT_END)):
        return None
    if not (isinstance(repeated, _Repeated) and isinstance(repeated.base, _CharGroup)):
        return None
    return CountedClass(text[: count.start()] + "*$", repeated.min, repeated.max)


def with_counts_as_lengths(rule: JsonString, parse: Callable[[str], Tree]) -> JsonString:
    """The same strings."""
    patterns: list[Pattern] = []
    least, most = rule.min_length, rule.max_length
    for pattern in rule.patterns:
        found = find_counted_class(pattern.text, parse(pattern.text))
        if found is None or pattern.is_negated:
            patterns.append(pattern)
            continue
        patterns.append(Pattern(found.pattern))
        least = max(least, found.min_length)
        if found.max_length is not None:
            most = found.max_length if most is None else min(most, found.max_length)
    return replace(rule, patterns=tuple(patterns), min_length=least, max_length=most)


def _is_anchor(part: object, anchor: str) -> bool:
    return isinstance(part, _CharGroup) and part.chars == {anchor}
