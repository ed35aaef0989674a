"""Takes the thoughts out of a reply: <think>…</think> at its beginning, however it is cut.

What the model thinks stands in front of what it says, and the space around it belongs to neither.
A block that is never closed is thought to the end; a later block is content, as it may be a word
about thinking. Knows nothing of tool calls or of OpenAI's types.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple

from forge_api.tools.marks import num_begun

OPEN: Final = "<think>"
CLOSE: Final = "</think>"
SPACES: Final = " \t\r\n"


class ReasoningStart(Enum):
    """Where a reply stands when its first character comes."""

    BEFORE = auto()  # the model may open a block
    INSIDE = auto()  # the prompt opened one
    AFTER = auto()  # it goes on from a text that has begun without thoughts, or is done with them


class Thoughts(NamedTuple):
    reasoning: str
    content: str


def start_after(prompt: str) -> ReasoningStart:
    """Of the reply to a prompt, which may end in the opening tag."""
    return ReasoningStart.INSIDE if prompt.rstrip().endswith(OPEN) else ReasoningStart.BEFORE


def start_within(message: str) -> ReasoningStart:
    """Of the reply that goes on from a message."""
    if not message.strip():
        return ReasoningStart.BEFORE
    is_open = message.lstrip().startswith(OPEN) and CLOSE not in message
    return ReasoningStart.INSIDE if is_open else ReasoningStart.AFTER


class ReasoningSplitter:
    """One choice's text → what it thinks and what it says."""

    def __init__(self, start: ReasoningStart) -> None:
        self._place = start
        self._held = ""  # the end of the text, when it may be the beginning of a tag
        self._space: list[str] = []  # shown only if what it stands before is of the same kind
        self._skips_space = start is ReasoningStart.INSIDE

    def push(self, text: str, *, is_last: bool) -> Thoughts:
        thoughts = ""
        if self._place is ReasoningStart.BEFORE:
            text = self._read_before(text, is_last)
        if self._place is ReasoningStart.INSIDE:
            thoughts, text = self._read_inside(text, is_last)
        return Thoughts(thoughts, self._content(text))

    def _read_before(self, text: str, is_last: bool) -> str:
        """Up to the opening tag. Returns what follows, or all of it where none comes."""
        begun = self._held + text
        if not self._held:
            stripped = text.lstrip(SPACES)
            self._space.append(text[: len(text) - len(stripped)])
            begun = stripped
        self._held = ""
        if begun.startswith(OPEN):
            self._place, self._skips_space = ReasoningStart.INSIDE, True
            self._space.clear()
            return begun.removeprefix(OPEN)
        if OPEN.startswith(begun) and not is_last:
            self._held = begun
            return ""
        self._place = ReasoningStart.AFTER
        begun = "".join([*self._space, begun])
        self._space.clear()
        return begun

    def _read_inside(self, text: str, is_last: bool) -> Thoughts:
        """Up to the closing tag: what is thought, and what follows."""
        thought, tag, content = (self._held + text).partition(CLOSE)
        self._held = ""
        if tag:
            shown = self._without_end_space(thought)
            self._space.clear()
            self._place, self._skips_space = ReasoningStart.AFTER, True
            return Thoughts(shown, content)
        if not is_last:
            self._held = thought[len(thought) - num_begun(CLOSE, thought) :]
        return Thoughts(self._without_end_space(thought.removesuffix(self._held)), "")

    def _without_end_space(self, thought: str) -> str:
        """What is certain not to be space at the end of the thoughts."""
        if self._skips_space:
            thought = thought.lstrip()
            self._skips_space = not thought
        shown = thought.rstrip()
        if shown:
            shown, space = "".join([*self._space, shown]), thought[len(thought.rstrip()) :]
            self._space = [space]
        else:
            self._space.append(thought)
        return shown

    def _content(self, text: str) -> str:
        if self._skips_space and self._place is ReasoningStart.AFTER:
            text = text.lstrip(SPACES)
            self._skips_space = not text
        return text
