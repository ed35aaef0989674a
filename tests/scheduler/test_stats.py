from __future__ import annotations

import pytest

from forge_scheduler.stats import QueuePace, StepMeter, starting_stats


def test_pace_is_unknown_at_first() -> None:
    assert QueuePace().per_second(100.0) == 0.0


def test_steady_pace_is_measured_from_the_start() -> None:
    pace, now_s = QueuePace(window_s=30.0), 100.0
    for total in range(0, 10_001, 100):
        pace.observe(now_s, total, is_waiting=True)
        now_s += 0.1
    assert pace.per_second(now_s) == pytest.approx(1000, rel=0.05)


def test_time_in_which_nobody_waits_does_not_slow_the_pace() -> None:
    pace = QueuePace()
    pace.observe(100.0, 0, is_waiting=True)
    pace.observe(101.0, 500, is_waiting=False)
    assert pace.per_second(10_000.0) == pytest.approx(500)


def test_what_starts_at_once_does_not_hasten_the_pace() -> None:
    pace = QueuePace()
    for step in range(10):
        pace.observe(100.0 + step * 1e-3, step * 1000, is_waiting=False)
    assert pace.per_second(100.1) == 0.0


def test_stall_slows_the_pace_while_it_lasts() -> None:
    pace = QueuePace()
    pace.observe(100.0, 0, is_waiting=True)
    pace.observe(101.0, 500, is_waiting=True)
    assert pace.per_second(105.0) == pytest.approx(100)


def test_old_paces_fade() -> None:
    pace = QueuePace(window_s=30.0)
    for second in range(100):
        pace.observe(100.0 + second, second * 1000, is_waiting=True)
    for second in range(100, 300):
        pace.observe(100.0 + second, 99_000 + (second - 99) * 10, is_waiting=True)
    assert pace.per_second(399.0) == pytest.approx(10, rel=0.2)


def test_steps_are_counted_by_their_size() -> None:
    meter = StepMeter(bounds=(1, 8))
    for num_tokens in (1, 2, 8, 9):
        meter.observe(num_tokens)
    sizes = meter.sizes()
    assert (sizes.counts, sizes.tokens_total) == ([1, 2, 1], 20)


def test_scheduler_without_worker_says_so() -> None:
    assert not starting_stats().is_worker_ready
