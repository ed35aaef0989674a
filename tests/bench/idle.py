"""CPU that every process of an idle server uses over ten seconds, after it has served something."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from tests.bench.http_load import chat_body, load
from tests.bench.processes import cpu_seconds, descendants
from tests.bench.report import Figure
from tests.bench.servers import launched

SECONDS = 10.0


def measure() -> Iterator[Figure]:
    with launched() as server:
        asyncio.run(load(server.url, 4, chat_body(32)))
        time.sleep(1.0)
        launcher = server.pids["forge-launch"]
        pids = [launcher, *descendants(launcher)]
        before = {pid: cpu_seconds(pid) for pid in pids}
        time.sleep(SECONDS)
        used = {pid: cpu_seconds(pid) - before[pid] for pid in pids}
    name = f"idle CPU, the busiest of {len(pids)} processes, over {SECONDS:g} s"
    yield Figure(name, 100 * max(used.values()) / SECONDS, "%", "0 %")
