"""Charts: where points stand, and what is written on the axes."""

from __future__ import annotations

import re

import pytest

from forge_common.bench.chart import Axis, Chart, Drawn, Point, Series, nice_step, svg, thinned


def test_points_stand_where_the_axes_say() -> None:
    drawn = svg(Chart("t", "x", "y", [Series("a", [Point(0, 0), Point(10, 4), Point(5, 2)])]))
    assert 'd="M64.0 230.0L608.0 30.0L336.0 130.0"' in drawn


def test_dots_have_a_mark_each() -> None:
    drawn = svg(Chart("t", "x", "y", [Series("a", [Point(0, 0), Point(1, 1)])], Drawn.DOTS))
    assert len(re.findall(r"M[\d.]+ [\d.]+h0", drawn)) == 2


def test_names_of_two_series_are_shown() -> None:
    both = [Series("A", [Point(1, 1)]), Series("<B>", [Point(2, 1)])]
    assert ">A</text>" in svg(Chart("t", "x", "y", both))
    assert ">&lt;B&gt;</text>" in svg(Chart("t", "x", "y", both))


@pytest.mark.parametrize(("least", "step"), [(0.7, 1), (1.1, 2), (2.2, 2.5), (30, 50), (0.06, 0.1)])
def test_steps_are_round_numbers(least: float, step: float) -> None:
    assert nice_step(least) == pytest.approx(step)


def test_ticks_stay_on_the_axis() -> None:
    assert Axis(95.0, 0, 100).ticks == pytest.approx([0, 20, 40, 60, 80])
    assert Axis(100.0, 0, 100).ticks[-1] == pytest.approx(100)


def test_ticks_are_written_as_short_as_they_are() -> None:
    drawn = svg(Chart("t", "x", "y", [Series("a", [Point(0.35, 20_000)])]))
    assert re.findall(r">([\d.,]+)</text>", drawn)[:4] == ["0", "0.1", "0.2", "0.3"]
    assert ">20,000</text>" in drawn


def test_many_points_are_thinned_evenly() -> None:
    points = [Point(number, 0) for number in range(5000)]
    assert len(thinned(points)) <= 2000
    assert {
        later.x - earlier.x
        for earlier, later in zip(thinned(points), thinned(points)[1:], strict=False)
    } == {3}
    assert thinned([]) == []
