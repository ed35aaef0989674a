"""Outlet: writes lines to a stream, and never waits for whoever reads it.

A pager that stands still, a terminal that is held, a full disk: none of them may hold up those
whose words these are. What cannot be written waits, up to a bound; when there is too much, the
oldest is lost, and how much that was is said. Knows nothing of what the words mean.
"""

from __future__ import annotations

import io
import select
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

MAX_WAITING_CHARS = 2**20
MAX_PIECE_CHARS = 1024  # at most 4096 bytes, which a pipe takes whole once it can be written to


class Outlet:
    """`tell_lost` words how many texts were lost."""

    def __init__(
        self,
        stream: TextIO,
        tell_lost: Callable[[int], str],
        max_waiting_chars: int = MAX_WAITING_CHARS,
    ) -> None:
        self._stream = stream
        self._tell_lost = tell_lost
        self._max_waiting_chars = max_waiting_chars
        self._waiting: deque[str] = deque()
        self._begun: deque[str] = deque()  # the rest of a text: it is not lost any more
        self._num_chars = 0
        self._num_lost = 0

    def write(self, text: str) -> None:
        self._waiting.append(text)
        self._num_chars += len(text)
        while self._num_chars > self._max_waiting_chars and len(self._waiting) > 1:
            self._take_oldest()
            self._num_lost += 1
        while (self._begun or self._waiting) and self._is_read():
            self._write_piece()

    def _take_oldest(self) -> str:
        text = self._waiting.popleft()
        self._num_chars -= len(text)
        return text

    def _write_piece(self) -> None:
        if not self._begun:
            text = self._tell_lost(self._num_lost) if self._num_lost else ""
            text += self._take_oldest()
            self._num_lost = 0
            starts = range(0, len(text), MAX_PIECE_CHARS)
            self._begun.extend(text[start : start + MAX_PIECE_CHARS] for start in starts)
        piece = self._begun.popleft()
        with suppress(OSError):  # its reader is gone, or its disk full: no reason not to serve
            self._stream.write(piece)
            self._stream.flush()

    def _is_read(self) -> bool:
        """Whether a piece can be written at once."""
        try:
            poller = select.poll()
            poller.register(self._stream.fileno(), select.POLLOUT)
            return bool(poller.poll(0))
        except (OSError, io.UnsupportedOperation):  # no descriptor, so nobody to wait for
            return True
