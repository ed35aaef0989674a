"""One API process of several is lost: its streams with it, and nobody else's."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.cells import LOST_API, LostApi
from tests.faults.conftest import NUM_API
from tests.faults.deployment import Deployment
from tests.faults.inject import INJECT
from tests.faults.streams import (
    COMPLETIONS,
    PLAIN,
    Request,
    Said,
    Stream,
    assert_same,
    start,
)

pytestmark = pytest.mark.integration


LONG = "long"
LONG_REQUEST = Request(COMPLETIONS, PLAIN | {"max_tokens": 300, "seed": 1})


class Served(NamedTuple):
    pid: int | None  # of the API process
    name: str
    stream: Stream


def serve_all_kinds(deployment: Deployment) -> list[Served]:
    """A stream of every kind, and long ones, until each process serves one of those."""
    pids = deployment.pids_of("api")
    streams = start(deployment.url).items()
    served = [Served(process_behind(stream, pids), name, stream) for name, stream in streams]
    while set(pids) - {one.pid for one in served if one.name == LONG and not one.stream.is_done}:
        stream = Stream(deployment.url, LONG_REQUEST)
        served.append(Served(process_behind(stream, pids), LONG, stream))
    return served


def process_behind(stream: Stream, pids: list[int]) -> int | None:
    """Which of them has the other end, as soon as one has accepted it; None once it is closed."""
    while stream.is_alive():
        for pid in pids:
            if inode_behind(stream) in inodes_of(pid):
                return pid
        time.sleep(0.005)
    return None


def inode_behind(stream: Stream) -> str:
    """Of the socket at the other end; 0 while that waits to be accepted."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    ours = (row[9] for row in rows if int(row[2].rpartition(":")[2], 16) == stream.port)
    return next(ours, "0")


def inodes_of(pid: int) -> set[str]:
    found = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # it was closed meanwhile
            found.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return {link[len("socket:[") : -1] for link in found if link.startswith("socket:[")}


@pytest.mark.parametrize("cell", LOST_API, ids=lambda cell: cell.name)
def test_others_go_on(cell: LostApi, deployment: Deployment, undisturbed: Said) -> None:
    pids = deployment.pids()
    served = serve_all_kinds(deployment)
    INJECT[cell.fault](deployment, "api")
    for one in served:
        one.stream.wait()
    (lost,) = deployment.wait_for_losses("api", pids["api"])
    deployment.wait_until_whole(NUM_API)
    deployment.wait_until_free()
    assert {**deployment.pids(), "api": pids["api"]} == pids
    assert {one.pid for one in served if not one.stream.is_done} == {lost}
    whole = {one.name: one.stream for one in served if one.stream.is_done and one.name != LONG}
    assert_same(whole, undisturbed)
    assert_same(start(deployment.url, ["seeded", "schema"]), undisturbed)
