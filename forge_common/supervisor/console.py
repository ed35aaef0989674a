"""The one log of all processes: every line with the name of its role, and a line that updates.

    scheduler | 2026-01-31 12:00:00.123Z info: listening
    worker    | loading weights: 45 % of 2.3 GiB, 1.1 GiB/s      ← overwritten, on a terminal

In JSON every line is an object: that of a child, which gets its role, or one made for a line that
is none, say the last words of a library.

Knows a stream to write to and names; nothing of processes or of what lines mean.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol, TextIO

import msgspec

from forge_common.log import JsonFormatter, LineFormatter, LogFormat
from forge_common.supervisor.outlet import Outlet

HEAD: Final = ("time", "level")  # before the role
WHOLE: Final = frozenset({"time", "level", "message"})
LAUNCHER: Final = "launch"
CLEAR_LINE = "\r\x1b[2K"


class LineStyle(Protocol):
    """How a line of a role looks."""

    can_update: bool

    def line(self, name: str, text: str) -> str: ...

    def formatter(self) -> logging.Formatter:
        """Of the launcher's own records, which become lines of a role then."""
        ...


class TextStyle:
    can_update = True

    def __init__(self, names: list[str]) -> None:
        self._width = max(map(len, names), default=0)

    def line(self, name: str, text: str) -> str:
        return f"{name:<{self._width}} | {text}"

    def formatter(self) -> logging.Formatter:
        return LineFormatter(role=None)


class JsonStyle:
    can_update = False

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._plain = JsonFormatter(role=None)

    def line(self, name: str, text: str) -> str:
        fields = self._fields_of(text)
        head = {key: fields.pop(key) for key in HEAD if key in fields}
        return msgspec.json.encode({**head, "role": name, **fields}).decode()

    def formatter(self) -> logging.Formatter:
        return JsonFormatter(role=None)

    def _fields_of(self, text: str) -> dict[str, msgspec.Raw]:
        """Of a line that is an object with all a line has; else of one that is made for it."""
        try:
            fields = self._decoder.decode(text)
            if fields.keys() >= WHOLE:
                return fields
        except (msgspec.DecodeError, UnicodeEncodeError):
            pass
        record = logging.LogRecord("", logging.INFO, "", 0, "%s", (text,), None)
        return self._decoder.decode(self._plain.format(record))


def style_of(log_format: LogFormat, names: list[str]) -> LineStyle:
    return JsonStyle() if log_format == "json" else TextStyle(names)


class Console:
    def __init__(self, stream: TextIO, names: list[str], log_format: LogFormat = "text") -> None:
        self.style = style_of(log_format, names)
        self._outlet = Outlet(stream, self._told_lost)
        self._is_terminal = stream.isatty() and self.style.can_update
        self._updating = ""

    @property
    def is_terminal(self) -> bool:
        return self._is_terminal

    def line(self, name: str, text: str) -> None:
        self._write(f"{self.style.line(name, text)}\n{self._updating}")

    def update(self, name: str, text: str) -> None:
        """Say something that the next update replaces; without a terminal, an ordinary line."""
        if not self._is_terminal:
            self.line(name, text)
            return
        self._updating = self.style.line(name, text)
        self._write(self._updating)

    def finish_update(self, name: str, text: str) -> None:
        """The last update: it stays."""
        self._updating = ""
        self.line(name, text)

    def _told_lost(self, num_lines: int) -> str:
        text = f"{num_lines} lines of this log are lost: nobody read them"
        return self.style.line(LAUNCHER, text) + "\n"

    def _write(self, text: str) -> None:
        self._outlet.write(CLEAR_LINE + text if self._is_terminal else text)


class ConsoleHandler(logging.Handler):
    """Brings this process's own log to the console, whose lines look like everyone's."""

    def __init__(self, console: Console, name: str) -> None:
        super().__init__()
        self._console = console
        self._role_name = name
        self.setFormatter(console.style.formatter())

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            self._console.line(self._role_name, line)
