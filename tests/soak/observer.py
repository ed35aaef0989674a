"""Observer: looks at a deployment every other second while it is soaked.

A scheduler's counters end with it: so they are read often and summed over the schedulers. What one
counted in its last moments is missing, and sums are lower bounds.
"""

from __future__ import annotations

import asyncio

from forge_common.client import AsyncForgeClient
from forge_common.errors import ForgeError
from forge_common.protocol.api_scheduler import SchedulerStats
from tests.soak.deployment import Deployment
from tests.soak.footprint import Footprint

INTERVAL_S = 1.0
REST_TIMEOUT_S = 30.0


class Observer:
    def __init__(self, deployment: Deployment, client: AsyncForgeClient) -> None:
        self._deployment = deployment
        self._client = client
        self._last: dict[int, SchedulerStats] = {}  # by epoch
        self.footprint = Footprint()

    @property
    def num_resumed(self) -> int:
        return sum(stats.sequences_resumed_total for stats in self._last.values())

    @property
    def num_accepted_drafts(self) -> int:
        return sum(stats.accepted_tokens_total for stats in self._last.values())

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.footprint.sample(self._deployment.pids())
            await self.note_stats()
            await asyncio.sleep(INTERVAL_S)

    async def note_stats(self) -> SchedulerStats | None:
        """None where the scheduler is away."""
        try:
            stats = await self._client.stats()
        except ForgeError:
            return None
        if self._client.scheduler is not None:
            self._last[self._client.scheduler.epoch] = stats
        return stats

    async def wait_for_rest(self) -> SchedulerStats | None:
        """Until nothing runs, or for REST_TIMEOUT_S; the last numbers either way."""
        stats = None
        for _ in range(round(REST_TIMEOUT_S)):
            stats = await self.note_stats()
            if stats is not None and stats.num_free_blocks == stats.num_blocks:
                return stats
            await asyncio.sleep(1.0)
        return stats
