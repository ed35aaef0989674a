"""A loop that goes round says so once a second, and only where somebody listens."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import pytest

from forge_common import beats
from forge_common.beats import INTERVAL_S, Beats, beating
from forge_common.readiness import Alive, Readiness, ReportReader


class Heard:
    """A pipe to a launcher, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        self.now_s = 0.0
        os.set_blocking(self.read_fd, False)

    def reports(self) -> list[object]:
        try:
            return list(ReportReader().feed(os.read(self.read_fd, 2**16)))
        except BlockingIOError:
            return []


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    yield heard
    os.close(heard.read_fd)
    os.close(heard.write_fd)


def test_one_beat_an_interval_however_often_the_loop_goes_round(heard: Heard) -> None:
    beats = Beats(Readiness(heard.write_fd), lambda: heard.now_s)
    for tenths in range(21):
        heard.now_s = tenths / 10 * INTERVAL_S
        beats.beat()
    assert heard.reports() == [Alive()] * 3


def test_remaining_time_is_that_until_the_next_beat(heard: Heard) -> None:
    beats = Beats(Readiness(heard.write_fd), lambda: heard.now_s)
    assert beats.remaining_s == 0
    beats.beat()
    heard.now_s += 0.25 * INTERVAL_S
    assert beats.remaining_s == 0.75 * INTERVAL_S


def test_nothing_ticks_without_a_launcher() -> None:
    assert Beats(Readiness(None)).remaining_s is None


def test_event_loop_beats_for_as_long_as_it_is_meant_to(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beats, "INTERVAL_S", 0.01)

    async def run() -> None:
        async with beating(Readiness(heard.write_fd)):
            await asyncio.sleep(0.05)
        heard.reports()
        await asyncio.sleep(0.03)

    asyncio.run(run())
    assert heard.reports() == []


def test_event_loop_that_is_held_up_falls_silent(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beats, "INTERVAL_S", 0.01)

    async def run() -> list[object]:
        async with beating(Readiness(heard.write_fd)):
            await asyncio.sleep(0.05)
            assert len(heard.reports()) > 1
            time.sleep(0.05)
            return heard.reports()

    assert asyncio.run(run()) == []


def test_launcher_that_does_not_read_holds_nobody_up(heard: Heard) -> None:
    readiness = Readiness.from_environment({"FORGE_READY_FD": str(heard.write_fd)})
    for _ in range(10_000):
        readiness.alive()
    assert readiness.is_supervised
    assert heard.reports()[:2] == [Alive(), Alive()]
