"""Chart: series of points as SVG text that needs nothing from elsewhere. Knows no metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

WIDTH, HEIGHT = 620, 270
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 30, 40
MAX_POINTS = 2000
NUM_TICKS = 6
NAME_WIDTH = 40


class Point(NamedTuple):
    x: float
    y: float


class Drawn(StrEnum):
    LINE = "line"
    DOTS = "dots"


class Series(NamedTuple):
    name: str
    points: Sequence[Point]


class Chart(NamedTuple):
    """`title` and labels are plain text. Both axes begin at 0."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    drawn: Drawn = Drawn.LINE


class Axis(NamedTuple):
    """Numbers from 0 to `top` on pixels from `begin` to `end`."""

    top: float
    begin: float
    end: float

    def pixel(self, value: float) -> str:
        return f"{self.begin + (self.end - self.begin) * value / self.top:.1f}"

    @property
    def ticks(self) -> list[float]:
        step = nice_step(self.top / NUM_TICKS)
        return [step * number for number in range(floor(self.top / step + 1e-9) + 1)]


def svg(chart: Chart) -> str:
    points = [point for series in chart.series for point in series.points]
    across = Axis(_top(point.x for point in points), LEFT, WIDTH - RIGHT)
    up = Axis(_top(point.y for point in points), HEIGHT - BOTTOM, TOP)
    drawn = [
        _series(series, number, chart.drawn, (across, up))
        for number, series in enumerate(chart.series)
    ]
    return "\n".join(
        (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}">',
            f'<text class="title" x="{LEFT}" y="18">{escape(chart.title)}</text>',
            *_grid(across, up),
            *_labels(chart),
            *drawn,
            *_legend(chart.series),
            "</svg>",
        )
    )


def nice_step(least: float) -> float:
    """The least of 1, 2, 2.5, 5 and their tenfolds that is not below `least`, which is above 0."""
    power = 10.0 ** floor(log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * 0.999)


def thinned(points: Sequence[Point], max_points: int = MAX_POINTS) -> Sequence[Point]:
    """Every n-th point, so that no more than `max_points` are left."""
    return points[:: ceil(len(points) / max_points)] if points else points


def _tick_text(tick: float) -> str:
    return f"{tick:,.12g}"  # so many digits hide what floats cannot hold


def _top(values: Iterable[float]) -> float:
    """Above 0, so that an axis has a length."""
    return max(values, default=0.0) or 1.0


def _grid(across: Axis, up: Axis) -> list[str]:
    floor_y, ceiling_y = up.pixel(0), up.pixel(up.top)
    lines = [
        f'<path class="grid" d="M{across.pixel(tick)} {floor_y}V{ceiling_y}"/>'
        f'<text class="tick middle" x="{across.pixel(tick)}" y="{HEIGHT - BOTTOM + 15}">'
        f"{_tick_text(tick)}</text>"
        for tick in across.ticks
    ]
    lines += [
        f'<path class="grid" d="M{LEFT} {up.pixel(tick)}H{WIDTH - RIGHT}"/>'
        f'<text class="tick end" x="{LEFT - 6}" y="{float(up.pixel(tick)) + 3.5:.1f}">'
        f"{_tick_text(tick)}</text>"
        for tick in up.ticks
    ]
    return lines


def _labels(chart: Chart) -> list[str]:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return [
        f'<text class="label middle" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}">'
        f"{escape(chart.x_label)}</text>",
        f'<text class="label middle" transform="translate(14 {middle}) rotate(-90)">'
        f"{escape(chart.y_label)}</text>",
    ]


def _series(series: Series, number: int, drawn: Drawn, axes: tuple[Axis, Axis]) -> str:
    across, up = axes
    places = [f"{across.pixel(x)} {up.pixel(y)}" for x, y in thinned(series.points)]
    if drawn is Drawn.DOTS:  # a line of no length with round ends: the shortest way to say a dot
        path = "".join(f"M{place}h0" for place in places)
    else:
        path = "M" + "L".join(places) if places else ""
    return f'<path class="{drawn} series{number}" d="{path}"/>'


def _legend(series: Sequence[Series]) -> list[str]:
    """Names on the right of the title; one series needs none."""
    if len(series) < 2:
        return []
    begin = WIDTH - RIGHT - NAME_WIDTH * (len(series) - 1)
    return [
        f'<text class="end legend{number}" x="{begin + NAME_WIDTH * number}" y="18">'
        f"{escape(each.name)}</text>"
        for number, each in enumerate(series)
    ]
