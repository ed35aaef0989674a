"""The one log of all processes: every line behind the name of its role, and a line that updates.

    scheduler | 2026-01-31 12:00:00.123Z info: listening
    worker    | loading weights: 45 % of 2.3 GiB, 1.1 GiB/s      ← overwritten, on a terminal

Knows a stream to write to and names; nothing of processes or of what lines mean.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TextIO

from forge_common.log import LineFormatter

CLEAR_LINE = "\r\x1b[2K"


class Console:
    def __init__(self, stream: TextIO, names: list[str]) -> None:
        self._stream = stream
        self._width = max(map(len, names), default=0)
        self._is_terminal = stream.isatty()
        self._updating = ""

    @property
    def is_terminal(self) -> bool:
        return self._is_terminal

    def line(self, name: str, text: str) -> None:
        self._write(f"{self._prefixed(name, text)}\n{self._updating}")

    def update(self, name: str, text: str) -> None:
        """Say something that the next update replaces; without a terminal, an ordinary line."""
        if not self._is_terminal:
            self.line(name, text)
            return
        self._updating = self._prefixed(name, text)
        self._write(self._updating)

    def finish_update(self, name: str, text: str) -> None:
        """The last update: it stays."""
        self._updating = ""
        self.line(name, text)

    def _prefixed(self, name: str, text: str) -> str:
        return f"{name:<{self._width}} | {text}"

    def _write(self, text: str) -> None:
        with suppress(OSError):  # its reader or its terminal is gone: no reason not to serve
            self._stream.write(CLEAR_LINE + text if self._is_terminal else text)
            self._stream.flush()


class ConsoleHandler(logging.Handler):
    """Brings this process's own log to the console, whose lines look like everyone's."""

    def __init__(self, console: Console, name: str) -> None:
        super().__init__()
        self._console = console
        self._role_name = name
        self.setFormatter(LineFormatter(role=None))

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            self._console.line(self._role_name, line)
