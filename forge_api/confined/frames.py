"""How the API process and a confined one frame what they say to each other.

A frame is the length of its body in four bytes, little-endian, then the body. Knows nothing of
what a body says.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

MAX_FRAME_BYTES: Final = 256 * 2**20
HEADER: Final = struct.Struct("<I")


def read_frame(stream: BinaryIO, max_bytes: int = MAX_FRAME_BYTES) -> bytes | None:
    """The next frame's body; None when the other side has gone or sends no such frames."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    body = stream.read(length) if length <= max_bytes else b""
    return body if len(body) == length else None


def write_frame(stream: BinaryIO, body: bytes) -> None:
    stream.write(HEADER.pack(len(body)) + body)
    stream.flush()
