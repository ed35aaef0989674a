"""An event loop whose time passes only while everybody sleeps, and then at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class LeapingSelector(selectors.SelectSelector):
    """Instead of waiting, moves the time to the end of the wait.

    What was written to a socket of this process is nearly at once there to be read: `grace_s` is
    how long in real time that may take.
    """

    def __init__(self, grace_s: float) -> None:
        super().__init__()
        self.now_s = 0.0
        self._grace_s = grace_s

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(timeout and min(self._grace_s, timeout))
        if not ready and timeout:
            self.now_s += timeout
        return ready


class FakeTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self, grace_s: float) -> None:
        self.leaping = LeapingSelector(grace_s)
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now_s


def run_in_fake_time(body: Coroutine[Any, Any, Any], grace_s: float = 0.02) -> Any:
    with asyncio.Runner(loop_factory=lambda: FakeTimeLoop(grace_s)) as runner:
        return runner.run(body)
