"""From `forge-launch` to the first 200 of /readyz, with the demo model and a warm disk."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.bench.report import Figure
from tests.bench.servers import launched

ROUNDS = 5


def measure() -> Iterator[Figure]:
    seconds = []
    for _ in range(ROUNDS + 1):
        with launched() as server:
            seconds.append(server.ready_at - server.started_at)
    yield Figure("start to ready, demo model", statistics.median(seconds[1:]), "s", "< 2 s")
