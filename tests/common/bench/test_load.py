"""Arrivals: their rate, their spread, their ramp."""

from __future__ import annotations

from itertools import islice, pairwise
from statistics import mean, pstdev

import pytest

from forge_common.bench.load import AllAtOnce, Poisson, arrival_times


def first(load: AllAtOnce | Poisson, num: int, seed: int = 1) -> list[float]:
    return list(islice(arrival_times(load, seed), num))


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_arrivals_keep_the_rate_and_spread_as_poisson_does() -> None:
    times = gaps(first(Poisson(50.0), 20_000))
    assert mean(times) == pytest.approx(1 / 50, rel=0.03)
    assert pstdev(times) == pytest.approx(mean(times), rel=0.05)  # as of an exponential
    share_below_mean = sum(gap < 1 / 50 for gap in times) / len(times)
    assert share_below_mean == pytest.approx(0.632, abs=0.02)  # 1 - 1/e


@pytest.mark.parametrize("burstiness", [0.25, 4.0])
def test_burstiness_changes_the_spread_and_not_the_rate(burstiness: float) -> None:
    times = gaps(first(Poisson(10.0, burstiness), 20_000))
    assert mean(times) == pytest.approx(0.1, rel=0.05)
    assert pstdev(times) / mean(times) == pytest.approx(burstiness**-0.5, rel=0.06)


def test_same_seed_gives_the_same_arrivals() -> None:
    assert first(Poisson(3.0), 50) == first(Poisson(3.0), 50)
    assert first(Poisson(3.0), 50) != first(Poisson(3.0), 50, seed=2)


def test_rate_grows_evenly_through_the_ramp() -> None:
    times = first(Poisson(1000.0, burstiness=1000.0, ramp_s=4.0), 4000)
    assert times == sorted(times)
    assert sum(at < 2 for at in times) == pytest.approx(500, rel=0.02)  # a quarter of the ramp's
    assert sum(at < 4 for at in times) == pytest.approx(2000, rel=0.02)
    assert sum(4 <= at < 5 for at in times) == pytest.approx(1000, rel=0.02)


def test_all_at_once_is_at_once() -> None:
    assert first(AllAtOnce(), 3) == [0.0, 0.0, 0.0]
