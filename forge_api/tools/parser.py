"""Takes the text of one reply as it streams, gives back content and calls. Knows no format.

A call is shown from the moment its arguments begin, and they are shown as they come; what was
shown cannot be taken back. Up to there, text that only looks like a call is content, to the last
character; in the arguments, what is not JSON ends them where they are and is content again. However
the text is cut into pieces, the deltas join to the same reply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from forge_api.tools.deltas import Delta
from forge_api.tools.marks import MarkFinder
from forge_api.tools.reading import END, Reading, ToolFormat, Unexpected
from forge_api.tools.reply_writer import ReplyWriter, make_call_id

MAX_UNDECIDED_CHARACTERS: Final = 2**18


class ToolCallParser:
    """`known_names` matter to the calls that no mark of their own tells from other text."""

    def __init__(
        self,
        tool_format: ToolFormat,
        known_names: frozenset[str],
        make_id: Callable[[], str] = make_call_id,
    ) -> None:
        self._finder = MarkFinder(tool_format.marks)
        self._writer = ReplyWriter(known_names, make_id)
        self._held = ""  # the end of the content, when it may be the beginning of a mark
        self._reading: Reading[None] | None = None

    @property
    def num_calls(self) -> int:
        return self._writer.num_calls

    def push(self, text: str) -> list[Delta]:
        while text:
            if self._reading is None:
                text = self._read_content(text)
            else:
                text = self._read_call(self._reading, text)
        return self._writer.take()

    def finish(self) -> list[Delta]:
        """What is left at the end; a call may lack what closes it."""
        if self._reading is not None:
            self._end_reading(self._reading)
        self._add_content(self._held)
        self._held = ""
        self._writer.finish()
        return self._writer.take()

    def _read_content(self, text: str) -> str:
        """Content up to a mark. Returns what follows the mark."""
        text = self._held + text
        found = self._finder.find(text)
        if found is None:
            self._held = self._finder.beginning_of_mark(text)
            self._add_content(text.removesuffix(self._held))
            return ""
        self._held = ""
        self._add_content(text[: found.start])
        self._writer.undecided.append(found.mark.text)
        self._reading = found.mark.read(self._writer)
        next(self._reading)
        return text[found.start + len(found.mark.text) :]

    def _read_call(self, reading: Reading[None], text: str) -> str:
        """Calls up to their end. Returns what follows, or what shows that there is no call."""
        undecided = self._writer.undecided
        for index, character in enumerate(text):
            undecided.append(character)
            try:
                reading.send(character)
            except Unexpected:
                del undecided[-1:]
                self._leave_call(reading)
                return text[index:]
            except StopIteration:
                self._end_call()
                return text[index + 1 :]
            if len(undecided) > MAX_UNDECIDED_CHARACTERS:
                self._leave_call(reading)
                return text[index + 1 :]
        return ""

    def _end_reading(self, reading: Reading[None]) -> None:
        try:
            reading.send(END)
        except Unexpected:
            self._leave_call(reading)
        except StopIteration:
            self._end_call()
        else:
            self._leave_call(reading)

    def _end_call(self) -> None:
        self._reading = None
        self._writer.settle()
        self._finder.is_line_blank = True  # as far as a call that follows is concerned

    def _leave_call(self, reading: Reading[None]) -> None:
        reading.close()
        self._reading = None
        self._finder.pass_over("".join(self._writer.undecided))
        self._writer.drop_undecided()

    def _add_content(self, text: str) -> None:
        self._finder.pass_over(text)
        self._writer.add_content(text)
