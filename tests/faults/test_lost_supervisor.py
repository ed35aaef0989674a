"""The supervisor ends: killed, and nothing is left; asked to, and all streams come to their end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.deployment import SUPERVISOR, Deployment
from tests.faults.streams import REQUESTS, Said, assert_same, start, wait_until_all_gain
from tests.integration.launched_forge import wait_until_gone

pytestmark = pytest.mark.integration

FULL_LOG = ("sh", "-c", 'exec "$@" 2> /dev/full', "sh")

WITHOUT_GRAMMAR = [name for name in REQUESTS if name != "schema"]  # the first takes its time

Launch = Callable[..., Deployment]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    started: list[Deployment] = []

    def start(prefix: tuple[str, ...] = ()) -> Deployment:
        deployment = Deployment(tmp_path, prefix=prefix)
        started.append(deployment)
        deployment.forge.wait_until_ready()
        return deployment

    yield start
    for deployment in started:
        deployment.forge.destroy()


def test_nothing_outlives_a_killed_supervisor_not_even_what_is_stopped(launch: Launch) -> None:
    deployment = launch()
    streams = start(deployment.url, WITHOUT_GRAMMAR)
    wait_until_all_gain(streams.values(), 5)
    pids = [pid for of_role in deployment.pids().values() for pid in of_role]
    for role in ("worker", "scheduler"):
        deployment.signal(role, signal.SIGSTOP)
    deployment.signal(SUPERVISOR, signal.SIGKILL)
    wait_until_gone(pids, 1.0)
    assert not any(stream.wait().is_done for stream in streams.values())


def test_streams_end_well_when_the_supervisor_is_asked_to_stop_though_its_log_is_full(
    launch: Launch, undisturbed: Said
) -> None:
    deployment = launch(FULL_LOG)
    streams = start(deployment.url, WITHOUT_GRAMMAR)
    wait_until_all_gain(streams.values(), 5)
    pids = deployment.pids()
    deployment.signal(SUPERVISOR, signal.SIGTERM)
    assert_same(streams, undisturbed)
    assert deployment.forge.wait_until_ended().exit_code == 0
    wait_until_gone([pid for of_role in pids.values() for pid in of_role], 0.0)
