"""Patience: how long somebody who is away is waited for. Knows nothing of who that is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Patience:
    """`on_end` is called where nobody stops it in time."""

    def __init__(self, seconds: float, on_end: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_end = on_end
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_tried(self) -> bool:
        return self._timer is not None

    def start(self) -> None:
        """Where it is tried already, its end does not move."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self._timer = None
        self._on_end()
