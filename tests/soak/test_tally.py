"""Gaps of streams are laid to the fault that made them, and waits are for those that were hit."""

from __future__ import annotations

import pytest

from tests.soak import tally as tally_module
from tests.soak.tally import Fault, Tally


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def strftime(self, _format: str) -> str:
        return "then"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tally_module, "time", clock)
    return clock


def test_longest_wait_about_a_fault_is_its_gap(clock: Clock) -> None:
    tally = Tally()
    with tally.watch() as watch:
        for clock.now_s in (1.0, 1.5, 4.5, 4.6, 9.0):
            if clock.now_s == 1.5:
                tally.faults.append(Fault(1.4, "kill worker"))
            watch.event()
    assert tally.gaps_s == {"kill worker": [3.0]}


def test_stream_that_began_behind_a_fault_has_no_gap(clock: Clock) -> None:
    tally = Tally()
    tally.fault("kill worker")
    clock.now_s = 0.5
    with tally.watch() as watch:
        for clock.now_s in (0.6, 3.0):
            watch.event()
    assert not tally.gaps_s


def test_one_that_waits_still_is_told_of(clock: Clock) -> None:
    tally = Tally()
    with tally.watch() as watch:
        watch.event()
        clock.now_s = 1.0
        assert not tally.have_all_gained(0.5)
        watch.event()
        assert tally.have_all_gained(0.5)


def test_only_what_breaks_soon_is_laid_to_an_api_process(clock: Clock) -> None:
    tally = Tally()
    assert not tally.is_by_api_death()
    tally.fault("kill api")
    clock.now_s = 1.0
    assert tally.is_by_api_death()
    clock.now_s = 10.0
    assert not tally.is_by_api_death()
