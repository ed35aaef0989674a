"""A streamed reply, bytes to events: what of it is content, usage, an error or the end.

Each `data:` line is one event, as every OpenAI-compatible server writes it. Knows nothing of time
or sockets. Source of the format: the server-sent events of the HTML standard, section 9.2.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

MAX_LINE_BYTES = 16 * 1024 * 1024
DATA = b"data:"
DONE = b"[DONE]"


class StreamFault(Exception):
    """What the server sent is no stream of events as it should be."""


class Delta(Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Any] | None = None


class Choice(Struct, frozen=True):
    delta: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None

    @property
    def has_content(self) -> bool:
        delta = self.delta
        if delta is None:
            return bool(self.text)
        return bool(delta.content or delta.reasoning_content or delta.reasoning or delta.tool_calls)


class PromptDetails(Struct, frozen=True):
    cached_tokens: int | None = None


class Usage(Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None

    @property
    def num_cached_tokens(self) -> int | None:
        details = self.prompt_tokens_details
        return None if details is None else details.cached_tokens


class StreamEvent(Struct, frozen=True):
    """A chunk of either endpoint; fields that nobody here needs are passed over."""

    choices: list[Choice] = []
    usage: Usage | None = None
    error: Any = None

    @property
    def has_content(self) -> bool:
        return any(choice.has_content for choice in self.choices)

    @property
    def is_last_content(self) -> bool:
        return any(choice.finish_reason for choice in self.choices)


class Done(Struct, frozen=True):
    """`data: [DONE]`."""


class EventReader:
    """Bytes as they come, cut anywhere, to events."""

    def __init__(self) -> None:
        self._rest = b""
        self._decoder = msgspec.json.Decoder(StreamEvent)

    def feed(self, data: bytes) -> list[StreamEvent | Done]:
        """What `data` completes. Raises StreamFault."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise StreamFault(f"a line of more than {MAX_LINE_BYTES} bytes")
        return [self._event(line[len(DATA) :].strip()) for line in lines if line.startswith(DATA)]

    def finish(self) -> list[StreamEvent | Done]:
        """What stood in a last line without an end. Raises StreamFault."""
        return self.feed(b"\n")

    def _event(self, payload: bytes) -> StreamEvent | Done:
        if payload == DONE:
            return Done()
        try:
            return self._decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StreamFault(f"an event is not readable: {error}") from error
