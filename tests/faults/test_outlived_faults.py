"""Faults after which every stream goes on: to the same end, in the same words."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack

import pytest

from tests.faults.cells import CELLS, NOTICED_S, RESTART_S, Cell
from tests.faults.conftest import NUM_API, Gaps
from tests.faults.deployment import Deployment
from tests.faults.inject import INJECT
from tests.faults.streams import Said, assert_same, start, wait_until_all_gain

pytestmark = pytest.mark.integration

RESTARTS = ("SIGKILL", "SIGTERM", "exception", "memory error", "exit")
SUDDEN = [cell for cell in CELLS if cell.fault in INJECT]
MAX_LOAD_A_CORE = 1.5
LASTING = [cell for cell in CELLS if cell.fault == "disk full"]


@pytest.mark.parametrize("cell", SUDDEN, ids=lambda cell: cell.name)
def test_streams_outlive(cell: Cell, deployment: Deployment, undisturbed: Said, gaps: Gaps) -> None:
    pids = deployment.pids()
    streams = start(deployment.url)
    wait_until_all_gain(streams.values(), 10)
    disturbed_at_s = time.monotonic()
    INJECT[cell.fault](deployment, cell.role)
    assert_same(streams, undisturbed)
    gaps[cell.name] = [s.longest_gap_s(disturbed_at_s) for s in streams.values()]
    assert max(gaps[cell.name]) < cell.pause_s
    for role in cell.replaced:
        deployment.wait_for_losses(role, pids[role])
    deployment.wait_until_whole(NUM_API)
    deployment.wait_until_free()
    changed = {role for role, before in pids.items() if deployment.pids()[role] != before}
    assert changed == set(cell.replaced)


def test_nobody_notices_full_disks(deployment: Deployment, undisturbed: Said, gaps: Gaps) -> None:
    pids = deployment.pids()
    with ExitStack() as disks:
        for cell in LASTING:
            disks.enter_context(deployment.full_disk(cell.role))
        streams = start(deployment.url)
        assert_same(streams, undisturbed)
        deployment.signal("worker", signal.SIGKILL)  # and starts again as well as ever
        deployment.wait_for_losses("worker", pids["worker"])
        deployment.wait_until_whole(NUM_API)
        assert_same(start(deployment.url), undisturbed)
    gaps["all: disk full"] = [stream.longest_gap_s(0.0) for stream in streams.values()]
    assert max(gaps["all: disk full"]) < NOTICED_S
    deployment.wait_until_free()
    assert {**deployment.pids(), "worker": pids["worker"]} == pids


def test_p95_pause_of_restarts(gaps: Gaps) -> None:
    of_restarts = [cell.name for cell in CELLS if cell.replaced and cell.fault in RESTARTS]
    pauses = sorted(pause for name in of_restarts for pause in gaps.get(name, []))
    if not pauses:
        pytest.skip("no restart was measured")
    p95_s = pauses[int(0.95 * len(pauses))]
    if p95_s >= RESTART_S and os.getloadavg()[0] > MAX_LOAD_A_CORE * len(os.sched_getaffinity(0)):
        pytest.skip(f"the machine is busy with other things: {p95_s:.2f} s")
    assert p95_s < RESTART_S
