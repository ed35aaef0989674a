"""Finds in a text that comes in pieces where a call may begin. Knows nothing of calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from forge_api.tools.reading import Mark

LINE_SPACES: Final = " \t\r"
FILLED_LINE: Final = "x"  # stands for what a line already holds


class FoundMark(NamedTuple):
    start: int
    mark: Mark


class MarkFinder:
    """`is_line_blank` says of all text passed over that its last line holds nothing but spaces."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        self.is_line_blank = True
        self._marks = {mark.text: mark for mark in marks}
        self._pattern = re.compile("|".join(map(pattern_of, marks)), re.MULTILINE)

    def find(self, text: str) -> FoundMark | None:
        """The first mark in `text`, which follows what was passed over."""
        before = "" if self.is_line_blank else FILLED_LINE
        match = self._pattern.search(before + text)
        if match is None:
            return None
        mark_text = match[0].lstrip(LINE_SPACES)
        return FoundMark(match.end() - len(mark_text) - len(before), self._marks[mark_text])

    def beginning_of_mark(self, text: str) -> str:
        """The longest end of `text` that could become a mark."""
        lengths = (num_begun(mark, text) for mark in self._marks)
        return text[len(text) - max(lengths, default=0) :]

    def pass_over(self, text: str) -> None:
        _, newline, line = text.rpartition("\n")
        self.is_line_blank = (self.is_line_blank or bool(newline)) and not line.strip(LINE_SPACES)


def pattern_of(mark: Mark) -> str:
    return (f"^[{LINE_SPACES}]*" if mark.needs_line_start else "") + re.escape(mark.text)


def num_begun(mark: str, text: str) -> int:
    """How many characters of a mark, but not all of it, `text` ends with."""
    longest = min(len(mark) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(mark[:size])), 0)
