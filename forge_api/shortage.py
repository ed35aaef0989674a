"""Where no file descriptor is left for another connection, it waits, and one line says so.

asyncio tries again each second; but it reports every attempt with a traceback, and makes as many
attempts as the backlog is long. So it is told a short one, and the kernel the real one after that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

# With aiohttp's 128, 256 clients at once wait a second for a SYN to be repeated.
BACKLOG = 4096
MAX_ACCEPTED_AT_A_TIME = 64
SILENCE_S = 10.0
REPORTED = "socket.accept() out of system resource"  # as asyncio names it

logger = logging.getLogger(__name__)


class Shortage:
    """An event loop's exception handler."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said_at_s: float | None = None

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") != REPORTED:
            loop.default_exception_handler(context)
        elif self._said_at_s is None or self._clock() - self._said_at_s >= SILENCE_S:
            self._said_at_s = self._clock()
            logger.warning("new connections wait: %s", context.get("exception"))


def lengthen_backlog(sockets: Iterable[Any]) -> None:
    """Of listening sockets, as asyncio shows them: no method of these sets it."""
    for shown in sockets:
        with socket.socket(fileno=os.dup(shown.fileno())) as same:
            same.listen(BACKLOG)
