"""Server-sent events: `data:` framing, and the parts of a chunk that stay the same in a stream.

A stream writes thousands of chunks that differ in one string, so the rest is encoded once.
Knows nothing of what a choice holds.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType

from forge_api.completion import Usage
from forge_api.errors import ApiError
from forge_api.reply_types import ForgeNotes
from forge_api.timings import Timings

DONE = b"data: [DONE]\n\n"
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # or nginx collects the stream before it passes it on
}


def event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def error_event(error: ApiError) -> bytes:
    return event(error.body)


class ReplyHeader(Struct, frozen=True):
    """What every chunk of a reply repeats."""

    id: str
    object: str
    created: int
    model: str


class ClosingFields(Struct, frozen=True):
    forge: ForgeNotes | UnsetType = UNSET


class ChunkFrames:
    """Encoded choices → events. `has_usage`: OpenAI says `"usage":null` where usage comes last."""

    def __init__(self, header: ReplyHeader, has_usage: bool) -> None:
        self._head = b"data: " + msgspec.json.encode(header)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if has_usage else b"]}\n\n"

    def choice(self, choice: bytes, usage: Usage | None = None) -> bytes:
        tail = self._tail if usage is None else self._usage_tail(usage)
        return self._head + choice + tail

    def with_fields(self, choice: bytes, fields: bytes) -> bytes:
        """A chunk with further members of the object, encoded as `,"name":value…`."""
        return self._head + choice + b"]" + fields + self._tail[1:]

    def closing(self, usage: Usage | None, timings: Timings | None) -> bytes:
        """The last chunk of a stream that was asked for its usage or its times: no choices."""
        if usage is None and timings is None:
            return b""
        notes = extra_fields(
            ClosingFields(UNSET if timings is None else ForgeNotes(timings=timings))
        )
        tail = self._tail if usage is None else self._usage_tail(usage)
        return self._head + b"]" + notes + tail[1:]

    def _usage_tail(self, usage: Usage) -> bytes:
        return b'],"usage":' + msgspec.json.encode(usage) + b"}\n\n"


def extra_fields(fields: Struct) -> bytes:
    """`{"a":1}` → `,"a":1`, and nothing for an empty object."""
    members = msgspec.json.encode(fields)[1:-1]
    return b"," + members if members else b""
