"""Pulse: who is due a word, because its requests wait or run and it has heard nothing for a while.

Only sending to a client shows that it is gone, and then its blocks are free again; but nothing is
sent to one whose prompt is still being computed. Knows no socket and no request.
"""

from __future__ import annotations

import time
from collections.abc import Set

from forge_scheduler.stats import Clock

INTERVAL_S = 1.0
GRACE_S = 0.05  # between the news that some connection is lost and its queue being gone


class Pulse:
    """Beats while somebody is served, at most once an interval; `hurry` makes it beat soon."""

    def __init__(self, interval_s: float = INTERVAL_S, clock: Clock = time.monotonic) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._next_at_s = clock()
        self._heard: set[bytes] = set()

    @property
    def remaining_s(self) -> float:
        """Until the next beat is due."""
        return max(self._next_at_s - self._clock(), 0.0)

    def heard(self, client: bytes) -> None:
        """Something was sent to it just now."""
        self._heard.add(client)

    def hurry(self) -> None:
        """Somebody may be gone: ask everybody who is served, soon."""
        self._heard.clear()
        self._next_at_s = min(self._next_at_s, self._clock() + GRACE_S)

    def quiet(self, served: Set[bytes]) -> Set[bytes]:
        """Those of `served` that have heard nothing since the last beat."""
        return served - self._heard

    def beat(self) -> None:
        """Everybody is quiet again, until they hear something."""
        self._heard.clear()
        self._next_at_s = self._clock() + self._interval_s
