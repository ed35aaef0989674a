"""A client that reads slowly or leaves costs nobody else a thing; what it held is free again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

import pytest

from forge_common.client import ForgeClient
from forge_common.protocol.api_scheduler import SchedulerStats
from tests.faults.cells import LEAVING, NOTICED_S, Leaving
from tests.faults.conftest import Gaps
from tests.faults.deployment import Deployment
from tests.faults.leaving_clients import DOORS, TIMEOUT_S, Client
from tests.faults.streams import REQUESTS, Said, assert_same, start, wait_until_all_gain

pytestmark = pytest.mark.integration

SHORT, LONG = [301, 302, 303], [7 * i % 1000 + 300 for i in range(1500)]
FREE_AGAIN_S = 1.0
MAX_BATCH_SIZE = 12
NUM_STREAMS = len(REQUESTS) + 1  # one has two choices


Make = Callable[[list[int], int, int], Client]


def wait_until(client: ForgeClient, is_met: Callable[[SchedulerStats], bool]) -> SchedulerStats:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not is_met(stats := client.stats()):
        assert time.monotonic() < deadline_s, stats
        time.sleep(0.002)
    return stats


def leave_while_queued(make: Make, watcher: ForgeClient) -> list[Client]:
    """Behind another one that fills the batch."""
    filler = make(SHORT, 1500, MAX_BATCH_SIZE)
    wait_until(watcher, lambda stats: stats.num_running == MAX_BATCH_SIZE)
    num_waiting = watcher.stats().num_waiting
    victim = make(SHORT, 100, 1)
    wait_until(watcher, lambda stats: stats.num_waiting == num_waiting + 1)
    victim.leave()
    wait_until(watcher, lambda stats: stats.num_waiting <= num_waiting)
    filler.leave()
    return []


def leave_in_prefill(make: Make, watcher: ForgeClient) -> list[Client]:
    victim = make(LONG, 100, 1)
    wait_until(watcher, lambda stats: stats.num_running == NUM_STREAMS + 1)
    assert not victim.has_token()
    victim.leave()
    return []


def leave_in_decode(make: Make, watcher: ForgeClient) -> list[Client]:
    victim = make(SHORT, 1500, 2)
    victim.read_first_token()
    victim.leave()
    return []


def read_slowly(make: Make, watcher: ForgeClient) -> list[Client]:
    """One token, and then nothing more."""
    victim = make(SHORT, 1500, 4)
    victim.read_first_token()
    return [victim]


WAYS: Mapping[str, Callable[[Make, ForgeClient], list[Client]]] = {
    "disconnect while queued": leave_while_queued,
    "disconnect in prefill": leave_in_prefill,
    "disconnect in decode": leave_in_decode,
    "slow reader": read_slowly,
}


@pytest.mark.parametrize("cell", LEAVING, ids=lambda cell: cell.name)
def test_nobody_else_notices(
    cell: Leaving, deployment: Deployment, undisturbed: Said, gaps: Gaps
) -> None:
    pids = deployment.pids()
    streams = start(deployment.url)
    wait_until_all_gain(streams.values(), 5)
    began_at_s = time.monotonic()
    with ForgeClient.connect(deployment.endpoint) as watcher:
        stay = WAYS[cell.fault](partial(DOORS[cell.role], deployment), watcher)
        left_at_s = time.monotonic()
        if not stay:
            wait_until(watcher, lambda s: s.num_running + s.num_waiting <= NUM_STREAMS)
            assert time.monotonic() - left_at_s < FREE_AGAIN_S
    assert_same(streams, undisturbed)
    gaps[cell.name] = [stream.longest_gap_s(began_at_s) for stream in streams.values()]
    assert max(gaps[cell.name]) < NOTICED_S
    for client in stay:
        client.leave()
    deployment.wait_until_free()
    assert deployment.pids() == pids
