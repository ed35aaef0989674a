"""Generator: sends requests when they are due, and collects what was observed of them.

In an open loop nothing waits for a reply: each request has a time to be sent at that was fixed
before, and is a task of its own. Knows nothing of HTTP: it is given a function that asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from math import inf
from typing import Any

from forge_common.bench.clock import Clock
from forge_common.bench.load import AnyLoad, Concurrent, arrival_times
from forge_common.bench.progress import Progress
from forge_common.bench.records import Failure, Observation
from forge_common.bench.request_body import PreparedRequest

Ask = Callable[[PreparedRequest, float], Awaitable[Observation]]
# A user whose request failed waits what the server says, within reason, or else this long.
PAUSE_AFTER_FAILURE_S = 0.1
MAX_PAUSE_S = 60.0


class Generator:
    """Runs once. `requests` may end: then no more are sent. None is begun from `until_s` on."""

    def __init__(
        self, requests: Iterator[PreparedRequest], ask: Ask, clock: Clock, progress: Progress
    ) -> None:
        self._requests = requests
        self._ask = ask
        self._clock = clock
        self._progress = progress
        self.observations: list[Observation] = []

    async def run(
        self, load: AnyLoad, seed: int, until_s: float = inf, stop: asyncio.Event | None = None
    ) -> None:
        """Returns when all that was sent has ended; at `stop`, gives up what is under way."""
        if isinstance(load, Concurrent):
            sending = self._users(load, until_s)
        else:
            sending = self._arrivals(arrival_times(load, seed), until_s)
        await _until_stopped(sending, stop or asyncio.Event())

    async def _arrivals(self, times: Iterator[float], until_s: float) -> None:
        async with asyncio.TaskGroup() as group:
            for request, at_s in zip(self._requests, times, strict=False):
                if at_s >= until_s:
                    return
                await self._clock.sleep_until(at_s)
                group.create_task(self._send(request, at_s))
                await asyncio.sleep(0)  # it goes out before the next request is even made

    async def _users(self, load: Concurrent, until_s: float) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(load.num_users):
                begin_s = load.ramp_s * number / load.num_users
                group.create_task(self._user(begin_s, until_s))

    async def _user(self, begin_s: float, until_s: float) -> None:
        await self._clock.sleep_until(begin_s)
        for request in self._requests:
            failure = (await self._send(request, self._clock.now_s())).record.failure
            if failure is not None:
                await asyncio.sleep(_pause_s(failure))
            if self._clock.now_s() >= until_s:
                return

    async def _send(self, request: PreparedRequest, intended_s: float) -> Observation:
        self._progress.sent()
        observation = await self._ask(request, intended_s)
        self.observations.append(observation)
        self._progress.ended(observation.record)
        return observation


async def _until_stopped(sending: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    tasks = [asyncio.create_task(sending), asyncio.create_task(stop.wait())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _pause_s(failure: Failure) -> float:
    if failure.retry_after_s is None:
        return PAUSE_AFTER_FAILURE_S
    return min(failure.retry_after_s, MAX_PAUSE_S)
