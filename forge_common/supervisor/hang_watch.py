"""HangWatch: which children have fallen silent, though they used to say that they are alive.

A child is watched from its first `Alive` on, once it is ready. Silence is counted in this process's
own ticks, not in seconds: while the launcher is stopped itself, or starved, or the machine asleep,
hardly any tick passes, and nobody is blamed for it. Knows nothing of what becomes of the silent.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from forge_common.supervisor.child import Child

TICK_S = 1.0
MIN_TICKS = 2  # beats are as far apart as ticks, so there may be one between any two of them


class HangWatch:
    """`timeout_s` of 0 means that nobody is watched."""

    def __init__(self, timeout_s: float) -> None:
        ticks = math.ceil(timeout_s / TICK_S)
        self._max_ticks = max(ticks, MIN_TICKS) if ticks else 0
        self._num_ticks: dict[Child, int] = {}  # since each was heard of

    async def run(self, on_silent: Callable[[Child], None]) -> None:
        """`on_silent` is told each of them once."""
        while self._max_ticks:
            await asyncio.sleep(TICK_S)
            for child in self.tick():
                on_silent(child)

    def heard(self, child: Child) -> None:
        self._num_ticks[child] = 0

    def tick(self) -> list[Child]:
        """Who has been silent for too long now; they are no longer watched."""
        for child in [child for child in self._num_ticks if not child.is_running]:
            del self._num_ticks[child]
        for child in self._num_ticks:
            self._num_ticks[child] += child.is_ready
        silent = [child for child, number in self._num_ticks.items() if number > self._max_ticks]
        for child in silent:
            del self._num_ticks[child]
        return silent
