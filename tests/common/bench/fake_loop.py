"""An event loop whose time passes only while everybody sleeps, and then at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class LeapingSelector(selectors.SelectSelector):
    """Instead of waiting, moves the time to the end of the wait."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout:
            self.now_s += timeout
        return ready


class FakeTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.leaping = LeapingSelector()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now_s


def run_in_fake_time(body: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        return runner.run(body)
