"""Room: how many code points a string must still have and may still have; counts stay numbers.

Most strings can have any length: after each code point they stand where they stood before. For them
only what is near matters, so a string that may grow by a million code points is walked as one that
may grow for ever. Knows no JSON.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from forge_common.grammar.automata.json_text import QuotedText

MAX_STATES = 256  # looked at to see whether a string can have any length


class Room(NamedTuple):
    min_left: int = 0
    max_left: int | None = None

    def after(self, num_characters: int) -> Room:
        if not num_characters:
            return self
        most = None if self.max_left is None else self.max_left - num_characters
        return Room(max(self.min_left - num_characters, 0), most)


class Lengths:
    def __init__(self, automaton: QuotedText) -> None:
        self._automaton = automaton

    def characters_into(self, state: int, to: int) -> int:
        return int(state != self._automaton.start and self._automaton.ends_character(to))

    def can_finish(self, state: int, room: Room) -> bool:
        """Whether the string can end with as many code points more."""
        fewest, most = room
        if most is not None and most < fewest:
            return False
        if not self._can_have_any_length:
            return self._automaton.can_finish(state, fewest, most)
        if self._automaton.is_accepting(state):
            return fewest == 0
        is_within = state != self._automaton.start and not self._automaton.ends_character(state)
        return most is None or most >= is_within

    def near(self, room: Room, num_bytes: int) -> Room:
        """What is far beyond the next `num_bytes` cannot matter to them."""
        fewest, most = room
        if not self._can_have_any_length:
            return room
        is_far = most is None or most >= num_bytes
        return Room(min(fewest, num_bytes), None if is_far else most)

    @cached_property
    def _can_have_any_length(self) -> bool:
        """Whether there is one state between code points, and the string may end there."""
        automaton = self._automaton
        seen = {automaton.start}
        waiting = [automaton.start]
        while waiting and len(seen) <= MAX_STATES:
            following = set(automaton.row(waiting.pop()).values()) - seen
            seen |= following
            waiting += following
        between = [state for state in seen if automaton.ends_character(state)]
        is_known = not waiting and len(between) == 1
        return is_known and any(map(automaton.is_accepting, automaton.row(between[0]).values()))
