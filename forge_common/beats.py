"""Beats: a role's main loop tells its launcher, once a second, that it still goes round.

A process that is stopped, or hung in its loop, has not ended, so nothing else tells its launcher.
There is one way for a loop that polls, and one for asyncio; neither does a thing without a
launcher. Knows nothing of what the loop does, or of what silence brings about.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from forge_common.readiness import Readiness

INTERVAL_S = 1.0


class Beats:
    """For a loop that polls: `beat` in each round, and sleep for `remaining_s` at most."""

    def __init__(self, readiness: Readiness, clock: Callable[[], float] = time.monotonic) -> None:
        self._readiness = readiness
        self._clock = clock
        self._next_at_s = clock()

    @property
    def remaining_s(self) -> float | None:
        """Until the next one is due; None where nobody listens."""
        if not self._readiness.is_supervised:
            return None
        return max(self._next_at_s - self._clock(), 0.0)

    def beat(self) -> bool:
        """Whether one was due."""
        if self.remaining_s != 0:
            return False
        self._readiness.alive()
        self._next_at_s = self._clock() + INTERVAL_S
        return True


@asynccontextmanager
async def beating(readiness: Readiness) -> AsyncIterator[None]:
    """While inside, the running loop beats for as long as it goes round."""
    task = asyncio.ensure_future(_beat(readiness))
    try:
        yield
    finally:
        task.cancel()


async def _beat(readiness: Readiness) -> None:
    while readiness.is_supervised:
        readiness.alive()
        await asyncio.sleep(INTERVAL_S)
