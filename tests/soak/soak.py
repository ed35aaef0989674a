"""A soak: a deployment, mixed traffic, faults, and what is found when all has come to rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from forge_common.client import AsyncForgeClient
from forge_common.protocol.api_scheduler import SchedulerStats
from tests.soak.cases import Case
from tests.soak.deployment import Deployment
from tests.soak.faults import Faults, Plan
from tests.soak.footprint import Footprint, Rest, descendants, rest_of, shared_memory
from tests.soak.http_traffic import HttpClient
from tests.soak.observer import Observer
from tests.soak.reply import Reply
from tests.soak.tally import Tally
from tests.soak.zmq_traffic import Tokens, ZmqClient

SETTLE_S = 1.0  # for connections that were left to be closed
END_TIMEOUT_S = 60.0


class Settings(NamedTuple):
    duration_s: float
    cases: Sequence[Case]
    plan: Plan = Plan()
    num_http_clients: int = 12
    num_zmq_clients: int = 2
    seed: int = 1
    flags: tuple[str, ...] = ()  # forge-launch's


class Expected(NamedTuple):
    http: dict[str, Reply]
    zmq: dict[str, Tokens]


class Ending(NamedTuple):
    """What was found behind the traffic, and behind the end of all processes."""

    stats: SchedulerStats | None
    num_open_requests: int
    num_zombies: int
    exit_code: int
    num_processes_left: int
    is_run_dir_left: bool
    shared_memory_left: frozenset[str]


class Outcome(NamedTuple):
    settings: Settings
    tally: Tally
    footprint: Footprint
    num_resumed: int
    num_accepted_drafts: int
    before: Rest
    after: Rest
    ending: Ending
    log: list[str]


class Soak:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tally = Tally()

    async def run(self) -> Outcome:
        shared = shared_memory()
        deployment = await Deployment.start(*self._settings.flags)
        try:
            return await self._soak(deployment, shared)
        finally:
            deployment.forge.destroy()

    async def _soak(self, deployment: Deployment, shared: frozenset[str]) -> Outcome:
        endpoint = deployment.forge.client_endpoint
        async with await AsyncForgeClient.connect(endpoint) as client:
            observer = Observer(deployment, client)
            async with AsyncExitStack() as stack:
                http, zmq = await self._clients(deployment, stack)
                expected = await self._expected(http[0], zmq[0])
                await asyncio.sleep(SETTLE_S)
                before = self._rest(deployment)
                await self._disturb(deployment, observer, http, zmq, expected)
                stats = await observer.wait_for_rest()
                await deployment.wait_until_whole()
                await asyncio.sleep(SETTLE_S)
                after = self._rest(deployment)
            numbers = observer.num_resumed, observer.num_accepted_drafts
        ending = await _end(deployment, stats, shared)
        return Outcome(
            self._settings,
            self._tally,
            observer.footprint,
            *numbers,
            before,
            after,
            ending,
            deployment.forge.lines,
        )

    async def _clients(
        self, deployment: Deployment, stack: AsyncExitStack
    ) -> tuple[list[HttpClient], list[ZmqClient]]:
        settings, forge = self._settings, deployment.forge
        seeds = range(settings.seed, settings.seed + settings.num_http_clients)
        http = [HttpClient(forge.url, self._tally, seed) for seed in seeds]
        zmq = [
            await ZmqClient.connect(forge.client_endpoint, self._tally, seed)
            for seed in seeds[: settings.num_zmq_clients]
        ]
        for close in (*(one.close for one in http), *(one.close for one in zmq)):
            stack.push_async_callback(close)
        return http, zmq

    async def _expected(self, http: HttpClient, zmq: ZmqClient) -> Expected:
        """Of each request alone, before anything happens."""
        replies = {case.name: await http.reference(case) for case in self._settings.cases}
        return Expected(replies, await zmq.references())

    def _rest(self, deployment: Deployment) -> Rest:
        return rest_of(deployment.pids(), deployment.run_dir)

    async def _disturb(
        self,
        deployment: Deployment,
        observer: Observer,
        http: list[HttpClient],
        zmq: list[ZmqClient],
        expected: Expected,
    ) -> None:
        settings, stop = self._settings, asyncio.Event()
        faults = Faults(deployment, self._tally, settings.plan, settings.seed)
        asyncio.get_running_loop().call_later(settings.duration_s, stop.set)
        async with asyncio.TaskGroup() as group:
            group.create_task(observer.run(stop))
            group.create_task(faults.run(stop))
            for client in http:
                group.create_task(client.run(list(settings.cases), expected.http, stop))
            for other in zmq:
                group.create_task(other.run(expected.zmq, stop))


async def _end(
    deployment: Deployment, stats: SchedulerStats | None, shared: frozenset[str]
) -> Ending:
    health = await deployment.health()
    run_dir, family = deployment.run_dir, descendants([deployment.forge.process.pid])
    deployment.forge.terminate()
    ended = await asyncio.to_thread(deployment.forge.wait_until_ended, END_TIMEOUT_S)
    began_s = time.monotonic()
    while (left := descendants(family)) and time.monotonic() - began_s < SETTLE_S:
        await asyncio.sleep(0.1)
    return Ending(
        stats=stats,
        num_open_requests=-1 if health is None else health["num_open_requests"],
        num_zombies=list(family.values()).count("Z"),
        exit_code=ended.exit_code,
        num_processes_left=len(left),
        is_run_dir_left=run_dir.exists(),
        shared_memory_left=shared_memory() - shared,
    )
