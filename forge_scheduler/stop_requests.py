"""StopRequests: SIGTERM and SIGINT as bytes on a socket, so that a poll loop wakes up for them.

The bytes are written by the interpreter's C handler, so a signal that arrives just before the poll
still ends it. Knows nothing of what stopping means.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from types import FrameType


class StopRequests:
    """Pollable; `count` how often someone has asked so far."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._count = 0
        self._hears_signals = False

    @classmethod
    def from_signals(cls) -> StopRequests:
        """Takes over SIGTERM and SIGINT of this process; for its main thread."""
        requests = cls()
        signal.set_wakeup_fd(requests._writer.fileno(), warn_on_full_buffer=False)
        requests._hears_signals = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave_to_wakeup_fd)
        return requests

    def fileno(self) -> int:
        return self._reader.fileno()

    def ask(self) -> None:
        self._writer.send(b"\0")

    def count(self) -> int:
        with contextlib.suppress(BlockingIOError):  # nobody asked since the last look
            self._count += len(self._reader.recv(64))
        return self._count

    def close(self) -> None:
        """A signal that comes later changes nothing."""
        if self._hears_signals:
            signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()


def _leave_to_wakeup_fd(number: int, frame: FrameType | None) -> None:
    """A handler must stand, or the signal would end the process."""
