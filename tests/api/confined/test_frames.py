"""Frames: whole or not at all."""

from __future__ import annotations

from io import BytesIO

import pytest

from forge_api.confined.frames import HEADER, MAX_FRAME_BYTES, read_frame, write_frame


def test_frames_come_back_in_order() -> None:
    stream = BytesIO()
    for body in (b"one", b"", b"three"):
        write_frame(stream, body)
    stream.seek(0)
    assert [read_frame(stream) for _ in range(4)] == [b"one", b"", b"three", None]


@pytest.mark.parametrize("data", [b"", b"\x05", b"\x05\0\0\0abc", HEADER.pack(MAX_FRAME_BYTES + 1)])
def test_a_frame_that_is_cut_off_or_too_long_is_none(data: bytes) -> None:
    assert read_frame(BytesIO(data)) is None
