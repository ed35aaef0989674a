"""One log format for every process: time in UTC, level, role, message; to stderr.

Nothing is configured at import; `configure_logging` is called once, at a process's start. Knows no
settings file and no supervisor: under `forge-launch` the role is left out of the lines, since the
launcher puts it in front of every line of a child, tracebacks included.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]


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


def configure_logging(level: Level, role: str | None) -> None:
    """Send every logger's records of at least `level` to stderr, and to nowhere else."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(role))
    send_records(level, handler)


def send_records(level: Level, handler: logging.Handler) -> None:
    """Give every logger's records of at least `level` to `handler`, and to no other."""
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
