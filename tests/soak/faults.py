"""What befalls the processes of a soak: kills and stops, by chance, one after the other.

The next fault waits until the deployment is whole again and every stream that was hit goes on: a
request over which two workers in succession are lost is ended by design, and would be no loss.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from typing import NamedTuple

from tests.soak.deployment import Deployment
from tests.soak.tally import Tally

STOP_S = (0.3, 3.0)
SETTLING_POLL_S = 0.02
MAX_SETTLING_S = 30.0


class Plan(NamedTuple):
    """Shares of the kinds of faults, and how long it is quiet between two of them."""

    quiet_s: tuple[float, float] = (3.0, 8.0)
    shares: tuple[tuple[str, int], ...] = (
        ("kill worker", 40),
        ("kill scheduler", 36),
        ("kill api", 8),
        ("stop worker", 6),
        ("stop scheduler", 6),
        ("stop api", 4),
    )


NO_FAULTS = Plan(shares=())


class Faults:
    def __init__(self, deployment: Deployment, tally: Tally, plan: Plan, seed: int) -> None:
        self._deployment = deployment
        self._tally = tally
        self._plan = plan
        self._chance = random.Random(seed)

    async def run(self, stop: asyncio.Event) -> None:
        """Each kind once at first, then by chance; until `stop`, and whole behind that."""
        kinds = [kind for kind, _ in self._plan.shares]
        shares = [share for _, share in self._plan.shares]
        first = self._chance.sample(kinds, len(kinds))
        while kinds and not stop.is_set():
            await asyncio.sleep(self._chance.uniform(*self._plan.quiet_s))
            kind = first.pop() if first else self._chance.choices(kinds, shares)[0]
            await self._inflict(kind)
            await self._deployment.wait_until_whole()
            await self._wait_until_all_go_on()

    async def _wait_until_all_go_on(self) -> None:
        since_s = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(MAX_SETTLING_S):
                while not self._tally.have_all_gained(since_s):
                    await asyncio.sleep(SETTLING_POLL_S)

    async def _inflict(self, kind: str) -> None:
        action, role = kind.split()
        pids = self._deployment.pids_of(role)
        if not pids:
            return
        pid = self._chance.choice(pids)
        with suppress(ProcessLookupError):
            self._tally.fault(kind)
            if action == "kill":
                os.kill(pid, signal.SIGKILL)
                await _gone(pid)
            else:
                await self._stop(pid)

    async def _stop(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self._chance.uniform(*STOP_S))
        finally:
            os.kill(pid, signal.SIGCONT)


async def _gone(pid: int) -> None:
    """Its parent has taken note; a second is plenty."""
    for _ in range(100):
        os.kill(pid, 0)  # raises ProcessLookupError at last
        await asyncio.sleep(0.01)
