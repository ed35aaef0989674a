"""Clock: seconds since a run began, by the event loop's own monotonic clock."""

from __future__ import annotations

import asyncio


class Clock:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._began_s = loop.time()

    def now_s(self) -> float:
        return self._loop.time() - self._began_s

    async def sleep_until(self, at_s: float) -> None:
        """Lets others run in any case, also where `at_s` has passed."""
        await asyncio.sleep(max(0.0, at_s - self.now_s()))
