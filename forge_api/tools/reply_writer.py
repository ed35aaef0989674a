"""ReplyWriter: what the readers of a format find, as deltas in their order.

Space beside a call is no content unless content follows it. Knows no format.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from forge_api.tools.deltas import ContentDelta, Delta, ToolCallArguments, ToolCallStart


class ReplyWriter:
    """`undecided` is what was read of a call and shown neither as a call nor as content."""

    def __init__(self, known_names: frozenset[str], make_id: Callable[[], str]) -> None:
        self.known_names = known_names
        self.num_calls = 0
        self.undecided: list[str] = []
        self._make_id = make_id
        self._deltas: list[Delta] = []
        self._arguments: list[str] = []  # not yet a delta, so that one push makes one
        self._space: list[str] = []  # beside a call: content only if content follows
        self._is_beside_call = True

    def start_call(self, name: str) -> None:
        self._end_arguments()
        self._deltas.append(ToolCallStart(self.num_calls, self._make_id(), name))
        self.num_calls += 1
        self._space.clear()
        self._is_beside_call = True
        self.settle()

    def add_arguments(self, text: str) -> None:
        """Of the call started last."""
        self._arguments.append(text)
        self.settle()

    def settle(self) -> None:
        """Everything read so far has its place."""
        self.undecided.clear()

    def add_content(self, text: str) -> None:
        if self._is_beside_call and text.isspace():
            self._space.append(text)
        elif text:
            self._end_arguments()
            self._deltas.append(ContentDelta("".join([*self._space, text])))
            self._space.clear()
            self._is_beside_call = False

    def drop_undecided(self) -> None:
        """It was no call, or no more of one."""
        self.add_content("".join(self.undecided))
        self.settle()

    def finish(self) -> None:
        """A reply of nothing but spaces is one."""
        if self._space and not self.num_calls:
            self._deltas.append(ContentDelta("".join(self._space)))
        self._space.clear()

    def take(self) -> list[Delta]:
        """The deltas since this was called last."""
        self._end_arguments()
        taken, self._deltas = self._deltas, []
        return taken

    def _end_arguments(self) -> None:
        text = "".join(self._arguments)
        if text:
            self._deltas.append(ToolCallArguments(self.num_calls - 1, text))
            self._arguments.clear()


def make_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"
