from __future__ import annotations

from forge_scheduler.pulse import GRACE_S, Pulse

SERVED = {b"a", b"b"}


class Beating:
    """A pulse of one beat a second, on a clock that moves when told."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.pulse = Pulse(interval_s=1.0, clock=lambda: self.now_s)
        self.pulse.beat()


def test_quiet_are_those_who_heard_nothing_since_the_last_beat() -> None:
    pulse = Beating().pulse
    pulse.heard(b"a")
    assert pulse.quiet(SERVED) == {b"b"}
    pulse.beat()
    assert pulse.quiet(SERVED) == SERVED


def test_only_who_is_served_is_told_anything() -> None:
    assert Beating().pulse.quiet(set()) == set()


def test_next_beat_is_an_interval_away() -> None:
    beating = Beating()
    assert beating.pulse.remaining_s == 1.0
    beating.now_s += 0.75
    assert beating.pulse.remaining_s == 0.25
    beating.now_s += 5.0
    assert beating.pulse.remaining_s == 0.0


def test_hurry_brings_the_beat_near_and_spares_nobody() -> None:
    pulse = Beating().pulse
    pulse.heard(b"a")
    pulse.hurry()
    assert abs(pulse.remaining_s - GRACE_S) < 1e-9
    assert pulse.quiet(SERVED) == SERVED


def test_hurry_never_delays_a_beat() -> None:
    beating = Beating()
    beating.now_s += 1.0
    beating.pulse.hurry()
    assert beating.pulse.remaining_s == 0.0
