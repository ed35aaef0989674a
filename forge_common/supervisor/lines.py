"""Bytes in, lines of text out: of bounded length, and without characters that steer a terminal.

Knows nothing of where they come from; a client may have written part of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

MAX_LINE_BYTES = 8 * 1024
CUT = " […]"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
CONTROLS = MappingProxyType(
    {code: REPLACEMENT for code in (*range(0x20), *range(0x7F, 0xA0)) if code != ord("\t")}
)


class LineSplitter:
    """Holds at most one line; what a longer one has beyond the bound is dropped."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_line_bytes = max_line_bytes
        self._rest = b""
        self._is_skipping = False

    def feed(self, data: bytes) -> Iterator[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not self._is_skipping:
                yield self._text(line)
            self._is_skipping = False
        if len(self._rest) > self._max_line_bytes:
            if not self._is_skipping:
                yield self._text(self._rest)
            self._is_skipping = True
        if self._is_skipping:
            self._rest = b""

    def finish(self) -> Iterator[str]:
        """What came after the last newline."""
        if self._rest and not self._is_skipping:
            yield self._text(self._rest)
        self._rest = b""

    def _text(self, line: bytes) -> str:
        text = line[: self._max_line_bytes].decode(errors="replace").rstrip("\r")
        text = text.translate(CONTROLS)
        return text + CUT if len(line) > self._max_line_bytes else text
