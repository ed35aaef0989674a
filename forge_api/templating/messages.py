"""What the API process and its template process say to each other, and how it is framed.

A frame is the length of its body in four bytes, little-endian, then the body: JSON, since the
values of a chat request are JSON. Knows neither jinja2 nor what the texts mean.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, Final

from msgspec import Struct

MAX_FRAME_BYTES: Final = 256 * 2**20
HEADER: Final = struct.Struct("<I")


class Load(Struct, frozen=True, tag=True):
    """The first frame: the templates of a model by name."""

    templates: dict[str, str]


class Render(Struct, frozen=True, tag=True):
    template: str
    variables: dict[str, Any]


class Loaded(Struct, frozen=True, tag=True):
    """The variables that each template reads."""

    variables: dict[str, list[str]]


class Rendered(Struct, frozen=True, tag=True):
    text: str


class Failed(Struct, frozen=True, tag=True):
    message: str
    is_raised_by_template: bool = False  # by its own `raise_exception`: the message is for a person


Request = Load | Render
Reply = Loaded | Rendered | Failed


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame's body; None when the other side has gone or sends no frames."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    body = stream.read(length) if length <= MAX_FRAME_BYTES else b""
    return body if len(body) == length else None


def write_frame(stream: BinaryIO, body: bytes) -> None:
    stream.write(HEADER.pack(len(body)) + body)
    stream.flush()
