from __future__ import annotations

import pytest

from forge_scheduler.stats import RateMeter, StepMeter, starting_stats


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_rate_is_unknown_at_first() -> None:
    assert RateMeter(FakeClock()).per_second() == 0.0


def test_steady_growth_is_measured_from_the_start() -> None:
    clock = FakeClock()
    meter = RateMeter(clock, window_s=30.0)
    for total in range(100, 10_001, 100):
        clock.now_s += 0.1
        meter.observe(total)
    assert meter.per_second() == pytest.approx(1000, rel=0.05)


def test_old_growth_fades() -> None:
    clock = FakeClock()
    meter = RateMeter(clock, window_s=30.0)
    meter.observe(1000)
    clock.now_s += 300
    assert meter.per_second() < 0.01


def test_steps_are_counted_by_their_size() -> None:
    meter = StepMeter(bounds=(1, 8))
    for num_tokens in (1, 2, 8, 9):
        meter.observe(num_tokens)
    sizes = meter.sizes()
    assert (sizes.counts, sizes.tokens_total) == ([1, 2, 1], 20)


def test_scheduler_without_worker_says_so() -> None:
    assert not starting_stats().is_worker_ready
