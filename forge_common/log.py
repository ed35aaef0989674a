"""One log format for every process: time in UTC, level, role, message; to stderr.

    text   2026-01-31 12:00:00.123Z info worker: message
    json   {"time":"2026-01-31T12:00:00.123Z","level":"info","role":"worker","message":"message"}

In JSON a line also has what its record says in `fields_of`, and the traceback of an exception.
Nothing is configured at import; `configure_logging` is called once, at a process's start. Knows no
settings file and no supervisor: under `forge-launch` the role is left out of the lines, since the
launcher puts it in front of every line of a child, tracebacks included.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Final, Literal

import msgspec

Level = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
Field = str | int | float

MAX_JSON_BYTES: Final = 8 * 1024  # of a line, its end included: what the launcher takes of one
CUT: Final = " […] "
FIELDS: Final = "forge_fields"  # of a record


def fields_of(**fields: Field | None) -> dict[str, dict[str, Field]]:
    """What a line says of its own, by name: `logger.info("…", extra=fields_of(status=200))`."""
    return {FIELDS: {name: value for name, value in fields.items() if value is not None}}


class LineFormatter(logging.Formatter):
    """`2026-01-31 12:00:00.123Z info worker: message`; a role of None leaves `worker` out."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%d %H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, role: str | None) -> None:
        super().__init__()
        self._role = "" if role is None else f" {role}"

    def formatMessage(self, record: logging.LogRecord) -> str:
        time_text = self.formatTime(record)
        return f"{time_text} {record.levelname.lower()}{self._role}: {record.message}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, of MAX_JSON_BYTES at most: a longer text loses its middle."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, role: str | None) -> None:
        super().__init__()
        self._role = {} if role is None else {"role": role}

    def format(self, record: logging.LogRecord) -> str:
        head = {"time": self.formatTime(record), "level": record.levelname.lower(), **self._role}
        fields = {**head, "message": record.getMessage(), **getattr(record, FIELDS, {})}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return fitting_line(fields)


def fitting_line(fields: dict[str, Field]) -> str:
    max_chars = MAX_JSON_BYTES
    while True:
        line = msgspec.json.encode({name: fitting(fields[name], max_chars) for name in fields})
        if len(line) < MAX_JSON_BYTES or max_chars < len(CUT):
            return line.decode()
        max_chars //= 2


def fitting(value: Field, max_chars: int) -> Field:
    """A request's path may hold what is no character of UTF-8."""
    if not isinstance(value, str):
        return value
    return without_middle(value, max_chars).encode(errors="replace").decode()


def without_middle(text: str, max_chars: int) -> str:
    """The beginning says what it is about, the end of a traceback what was raised."""
    if len(text) <= max_chars:
        return text
    half = max_chars // 2
    return text[:half] + CUT + text[len(text) - half :]


def formatter_of(log_format: LogFormat, role: str | None) -> logging.Formatter:
    return JsonFormatter(role) if log_format == "json" else LineFormatter(role)


def configure_logging(level: Level, role: str | None, log_format: LogFormat = "text") -> None:
    """Send every logger's records of at least `level` to stderr, and to nowhere else."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter_of(log_format, role))
    send_records(level, handler)


def tell_error(name: str, message: str) -> None:
    """The last words of the program `name`: a sentence for a person, or a line as all others."""
    formatters = (handler.formatter for handler in logging.getLogger().handlers)
    if any(isinstance(formatter, JsonFormatter) for formatter in formatters):
        logging.getLogger(__name__).error(message)
    else:
        print(f"{name}: error: {message}", file=sys.stderr)


def send_records(level: Level, handler: logging.Handler) -> None:
    """Give every logger's records of at least `level` to `handler`, and to no other."""
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
