"""Tool calls as Hermes, Qwen and Forge's demo model write them.

    some text <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call> more text

A call is shown once it is whole and known to be one: until then its text could still turn out to
be content, and what was shown cannot be taken back. Text that only looks like a call is content,
to the last character. However the text is cut into pieces, the deltas join to the same reply.
Knows nothing of which tools exist, or of OpenAI's types.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from forge_api.tools.deltas import ContentDelta, Delta, ToolCallArguments, ToolCallStart

OPEN: Final = "<tool_call>"
CLOSE: Final = "</tool_call>"


class Call(NamedTuple):
    name: str
    arguments: str  # JSON text of an object, as the model wrote it


class WrittenCall(msgspec.Struct, frozen=True):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class CallBody:
    """The text after an opening tag, as far as it has come; finds the closing tag.

    A closing tag inside a JSON string is part of the string. A line that ends inside a string is
    no JSON, and from there on any closing tag will do.
    """

    def __init__(self) -> None:
        self._characters: list[str] = []
        self._num_close_matched = 0
        self._has_begun = False
        self._is_in_string = False
        self._is_escaped = False
        self._is_broken = False

    @property
    def is_closed(self) -> bool:
        return self._num_close_matched == len(CLOSE)

    @property
    def text(self) -> str:
        """All of it, with as much of a closing tag as there is."""
        return "".join(self._characters)

    @property
    def json_text(self) -> str:
        return self.text[: len(self._characters) - self._num_close_matched]

    def accepts(self, character: str) -> bool:
        """False for what shows at once that this is no call: one begins with "{"."""
        return self._has_begun or character == "{" or character.isspace()

    def push(self, character: str) -> None:
        self._characters.append(character)
        self._has_begun = self._has_begun or character == "{"
        self._track_strings(character)
        if self._is_in_string:
            self._num_close_matched = 0
        elif character == CLOSE[self._num_close_matched]:
            self._num_close_matched += 1
        else:
            self._num_close_matched = int(character == CLOSE[0])

    def _track_strings(self, character: str) -> None:
        if self._is_escaped:
            self._is_escaped = False
        elif self._is_in_string and character == "\\":
            self._is_escaped = True
        elif self._is_in_string and character == "\n":
            self._is_in_string, self._is_broken = False, True
        elif character == '"' and not self._is_broken:
            self._is_in_string = not self._is_in_string


class ToolCallParser:
    """Takes the text of one reply as it streams, gives back content and calls."""

    def __init__(self, make_id: Callable[[], str] | None = None) -> None:
        self._make_id = make_id or make_call_id
        self._num_calls = 0
        self._held = ""  # the end of the content, when it may be the beginning of a tag
        self._body: CallBody | None = None  # of the call being read
        self._space: list[str] = []  # beside a call: content only if content follows
        self._is_beside_call = True

    @property
    def num_calls(self) -> int:
        return self._num_calls

    def push(self, text: str) -> list[Delta]:
        deltas: list[Delta] = []
        while text:
            text = self._read_content(text, deltas)
            text = self._read_body(text, deltas)
        return deltas

    def finish(self) -> list[Delta]:
        """What is left at the end; a whole call counts even when its closing tag is missing."""
        deltas: list[Delta] = []
        if self._body is not None:
            self._end_body(self._body, deltas)
        self._add_content(self._held, deltas)
        if self._space and not self._num_calls:
            deltas.append(ContentDelta("".join(self._space)))
        self._held = ""
        self._space.clear()
        return deltas

    def _read_content(self, text: str, deltas: list[Delta]) -> str:
        """Content up to an opening tag. Returns what follows the tag."""
        if self._body is not None:
            return text
        before, tag, after = (self._held + text).partition(OPEN)
        if tag:
            self._body = CallBody()
            self._held = ""
        else:
            self._held = beginning_of_tag(before)
        self._add_content(before.removesuffix(self._held), deltas)
        return after

    def _read_body(self, text: str, deltas: list[Delta]) -> str:
        """A call up to its closing tag. Returns what follows, or what shows that it is none."""
        body = self._body
        if body is None:
            return text
        for index, character in enumerate(text):
            if not body.accepts(character):
                self._drop_body(body, deltas)
                return text[index:]
            body.push(character)
            if body.is_closed:
                self._end_body(body, deltas)
                return text[index + 1 :]
        return ""

    def _end_body(self, body: CallBody, deltas: list[Delta]) -> None:
        call = parse_call(body.json_text)
        if call is None:
            self._drop_body(body, deltas)
            return
        self._body = None
        deltas.append(ToolCallStart(self._num_calls, self._make_id(), call.name))
        deltas.append(ToolCallArguments(self._num_calls, call.arguments))
        self._num_calls += 1
        self._space.clear()
        self._is_beside_call = True

    def _drop_body(self, body: CallBody, deltas: list[Delta]) -> None:
        self._body = None
        self._add_content(OPEN + body.text, deltas)

    def _add_content(self, text: str, deltas: list[Delta]) -> None:
        if self._is_beside_call and text.isspace():
            self._space.append(text)
        elif text:
            deltas.append(ContentDelta("".join([*self._space, text])))
            self._space.clear()
            self._is_beside_call = False


def beginning_of_tag(text: str) -> str:
    """The end of `text` that could become an opening tag; such a tag has one "<", its first."""
    position = text.rfind(OPEN[0])
    return text[position:] if position >= 0 and OPEN.startswith(text[position:]) else ""


def parse_call(text: str) -> Call | None:
    try:
        written = msgspec.json.decode(text, type=WrittenCall)
        arguments = object_text(bytes(written.arguments))
    except (ValueError, RecursionError):
        return None
    return None if arguments is None or not written.name else Call(written.name, arguments)


def object_text(raw: bytes) -> str | None:
    """Arguments must be an object; some models write that object as a string."""
    if raw.startswith(b'"'):
        raw = msgspec.json.decode(raw, type=str).strip().encode()
        msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    return raw.decode() if raw.startswith(b"{") else None


def make_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"
