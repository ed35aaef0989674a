"""Silence is counted in the launcher's own ticks, and who is silent is killed: real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from forge_common.supervisor.child import Child
from forge_common.supervisor.hang_watch import HangWatch
from forge_common.supervisor.roles import Role
from tests.common.supervisor.test_restarting import end, starts, wait_for_starts
from tests.common.supervisor.test_supervisor import (
    Launch,
    children_of,
    launch,
    said_by,
    wait_until_ready,
)

__all__ = ["launch", "starts"]

BEATS = "ready()\nwhile True: alive(); time.sleep(0.02)"
FALLS_SILENT = "ready(); alive(); time.sleep(60)"


class Running(Child):
    def __init__(self) -> None:
        super().__init__(Role("api", 0, (), {}))
        self.is_ready = True

    @property
    def is_running(self) -> bool:
        return not self.exit_code.done()


def with_child(check: Callable[[Running], None]) -> None:
    """`check` needs a loop, since a child has a future."""

    async def run() -> None:
        check(Running())

    asyncio.run(run())


def test_silence_of_more_ticks_than_the_timeout_is_told_once() -> None:
    def check(child: Running) -> None:
        watch = HangWatch(3.0)
        watch.heard(child)
        assert [watch.tick() for _ in range(6)] == [[], [], [], [child], [], []]

    with_child(check)


def test_every_word_gives_fresh_time() -> None:
    def check(child: Running) -> None:
        watch = HangWatch(2.0)
        for _ in range(5):
            watch.heard(child)
            assert [watch.tick(), watch.tick()] == [[], []]

    with_child(check)


def test_nobody_is_watched_who_never_beat_or_is_not_ready_or_has_ended() -> None:
    def check(child: Running) -> None:
        watch, loading, ended = HangWatch(1.0), Running(), Running()
        loading.is_ready = False
        ended.exit_code.set_result(0)
        for beaten in (loading, ended):
            watch.heard(beaten)
        assert [watch.tick() for _ in range(4)] == [[]] * 4
        assert child.is_running

    with_child(check)


def counting(starts: Path, first: str, then: str) -> str:
    path = repr(str(starts))
    return (
        f"number = len(open({path}).readlines()); open({path}, 'a').write(f'{{os.getpid()}}\\n')\n"
        f"exec({first!r} if number == 0 else {then!r})"
    )


def test_role_that_falls_silent_is_killed_and_started_again(launch: Launch, starts: Path) -> None:
    process = launch(
        ("scheduler", 1, counting(starts, FALLS_SILENT, BEATS)),
        ("api", 2, BEATS),
        restarted=["scheduler"],
        hang_timeout_s=1.0,
    )
    wait_until_ready(process)
    first, second = wait_for_starts(starts, 2)
    assert first not in children_of(process)
    time.sleep(2.5)
    assert second in children_of(process)
    assert any("scheduler: gave no sign of life for 1 s" in line for line in end(process))


def test_stopped_role_ends_a_deployment_that_cannot_do_without_it(launch: Launch) -> None:
    process = launch(("scheduler", 1, BEATS), hang_timeout_s=1.0)
    wait_until_ready(process)
    time.sleep(0.1)
    os.kill(children_of(process)[0], signal.SIGSTOP)
    said = said_by(process)
    assert process.returncode == 128 + signal.SIGKILL
    assert "scheduler: gave no sign of life for 1 s (--hang-timeout-s), and was killed" in said[-1]


@pytest.mark.parametrize("hang_timeout_s", [0.0, 2.0])
def test_short_stop_and_a_timeout_of_zero_cost_nothing(
    launch: Launch, hang_timeout_s: float
) -> None:
    process = launch(("scheduler", 1, BEATS), hang_timeout_s=hang_timeout_s)
    wait_until_ready(process)
    (child,) = children_of(process)
    os.kill(child, signal.SIGSTOP)
    time.sleep(1.2)
    os.kill(child, signal.SIGCONT)
    time.sleep(0.5)
    assert children_of(process) == [child]


def test_launcher_that_was_stopped_itself_blames_nobody(launch: Launch) -> None:
    process = launch(("scheduler", 1, BEATS), hang_timeout_s=1.0)
    wait_until_ready(process)
    (child,) = children_of(process)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in (process.pid, child):
            os.kill(pid, number)
        time.sleep(2.5)
    assert children_of(process) == [child]
