"""Lines come out whole, in order and bounded, however the bytes were cut."""

from __future__ import annotations

import pytest

from forge_common.supervisor.lines import CUT, LineSplitter


def lines_of(*pieces: bytes, max_line_bytes: int = 100) -> list[str]:
    splitter = LineSplitter(max_line_bytes)
    found = [line for piece in pieces for line in splitter.feed(piece)]
    return found + list(splitter.finish())


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pieces_of_any_size_make_the_same_lines(size: int) -> None:
    text = "one\n\nthrée\r\nlast".encode()
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert lines_of(*pieces) == ["one", "", "thrée", "last"]


def test_long_line_is_cut() -> None:
    assert lines_of(b"x" * 250 + b"\nnext\n") == ["x" * 100 + CUT, "next"]


def test_endless_line_is_cut_once_and_not_kept() -> None:
    pieces = [b"x" * 90] * 50
    assert lines_of(*pieces, b"x\nnext\n") == ["x" * 100 + CUT, "next"]


def test_line_cannot_steer_a_terminal() -> None:
    assert lines_of(b"a\tb\x1b[2Jc\x07\n") == ["a\tb\ufffd[2Jc\ufffd"]


def test_what_is_no_utf8_is_shown_as_such() -> None:
    assert lines_of(b"\xff\n") == ["�"]
