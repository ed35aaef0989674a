"""Ends a text at the first stop string, however the text is cut into pieces.

The match that ends first wins; of several that end at the same character, the longest. The text
ends where that match begins (or ends, with `include_in_output`), and nothing that could still
become part of a match is let out before. Knows nothing of tokens.

Knuth, Morris, Pratt 1977, one automaton a stop string: each character is looked at once.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple


class StopResult(NamedTuple):
    text: str
    matched: str | None  # the stop string that ended the text; nothing follows it


class StopString:
    """How much of one stop string the end of the text already is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.num_matched = 0
        self._borders = borders(text)

    def advance(self, character: str) -> bool:
        """Take one more character; True when it completes the stop string."""
        while self.num_matched and self.text[self.num_matched] != character:
            self.num_matched = self._borders[self.num_matched - 1]
        if self.text[self.num_matched] == character:
            self.num_matched += 1
        return self.num_matched == len(self.text)


class StopStrings:
    """Push text; what comes back is safe to show. After a match everything more is swallowed."""

    def __init__(self, stops: tuple[str, ...], include_in_output: bool) -> None:
        longest_first = sorted({stop for stop in stops if stop}, key=len, reverse=True)
        self._stops = [StopString(stop) for stop in longest_first]
        self._first_characters = frozenset(stop[0] for stop in longest_first)
        self._include_in_output = include_in_output
        self._held: deque[str] = deque()  # characters that may begin a match
        self._num_kept = 0  # how many, at the end of all text so far, begin some stop string
        self._matched: str | None = None

    @property
    def matched(self) -> str | None:
        return self._matched

    def push(self, text: str) -> StopResult:
        if self._matched is not None:
            return StopResult("", self._matched)
        if not self._held and self._first_characters.isdisjoint(text):
            return StopResult(text, None)
        for index, character in enumerate(text):
            if not self._num_kept and character not in self._first_characters:
                continue
            if (stop := self._advance(character)) is not None:
                return self._end(text[: index + 1], stop)
        self._held.extend(text)
        return StopResult(self._release(len(self._held) - self._num_kept), None)

    def flush(self) -> str:
        """What was held back, when the text ends without a match."""
        return "" if self._matched is not None else self._release(len(self._held))

    def _advance(self, character: str) -> str | None:
        completed = [stop.text for stop in self._stops if stop.advance(character)]
        self._num_kept = max(stop.num_matched for stop in self._stops)
        return completed[0] if completed else None

    def _end(self, text: str, stop: str) -> StopResult:
        self._matched = stop
        self._held.extend(text)
        num_hidden = 0 if self._include_in_output else len(stop)
        return StopResult(self._release(len(self._held) - num_hidden), stop)

    def _release(self, num_characters: int) -> str:
        released = "".join(islice(self._held, num_characters))
        for _ in range(num_characters):
            self._held.popleft()
        return released


def borders(text: str) -> list[int]:
    """For each prefix, the length of its longest proper suffix that is also its prefix."""
    lengths = [0] * len(text)
    length = 0
    for index in range(1, len(text)):
        while length and text[index] != text[length]:
            length = lengths[length - 1]
        if text[index] == text[length]:
            length += 1
        lengths[index] = length
    return lengths
