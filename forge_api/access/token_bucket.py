"""TokenBucket: so much a minute, with a minute's worth at once where it was saved up.

What turns out to cost more than was left is owed: the level falls below nothing, and nothing is to
be had until that is made good. Knows no key and no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], float]

MINUTE_S = 60.0


class TokenBucket:
    def __init__(self, per_minute: float, clock: Clock) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._level = per_minute
        self._filled_at_s = clock()

    @property
    def level(self) -> float:
        """What is to be had now; below nothing while something is owed."""
        now_s = self._clock()
        gained = (now_s - self._filled_at_s) * self.per_minute / MINUTE_S
        self._level = min(self.per_minute, self._level + gained)
        self._filled_at_s = now_s
        return self._level

    def wait_s(self, amount: float) -> float:
        """Until `amount` is to be had; of more than there ever is, until the bucket is full."""
        missing = min(amount, self.per_minute) - self.level
        return max(missing, 0.0) * MINUTE_S / self.per_minute

    def take(self, amount: float) -> None:
        self._level = self.level - amount

    def give_back(self, amount: float) -> None:
        self._level = min(self.per_minute, self.level + amount)
