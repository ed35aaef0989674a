"""Ratios of speeds as bars, one group a load, in an SVG of its own. Knows no engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

BAR, GAP, HEIGHT, LEFT, TOP, FOOT = 16, 24, 220, 40, 28, 44
COLOURS = ("#2f6f9f", "#d07a2d", "#5a9f4e", "#9a4f96", "#888888")


class Bar(NamedTuple):
    load: str
    series: str  # a format
    ratio: float
    goal: float


def svg(title: str, bars: Sequence[Bar]) -> str:
    """Ratios to the peer; the line at 1 is the peer, the tick over a bar its goal."""
    loads = list(dict.fromkeys(bar.load for bar in bars))
    series = list(dict.fromkeys(bar.series for bar in bars))
    group = BAR * len(series) + GAP
    width = LEFT + group * len(loads) + GAP
    highest = max(max(bar.ratio, bar.goal) for bar in bars) * 1.1
    scale = HEIGHT / highest
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HEIGHT + FOOT}"'
        ' font-family="sans-serif" font-size="11">',
        f'<text x="{LEFT}" y="16" font-size="13">{escape(title)}</text>',
        *_axis(int(highest), scale, width),
        *(_bar(bar, loads, series, scale) for bar in bars),
        *_legend(series),
        *_labels(loads, group, len(series)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axis(highest: int, scale: float, width: int) -> Iterator[str]:
    for ratio in range(highest + 1):
        y = TOP + HEIGHT - ratio * scale
        colour = "#444" if ratio == 1 else "#ddd"
        yield f'<line x1="{LEFT}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{ratio}×</text>'


def _bar(bar: Bar, loads: list[str], series: list[str], scale: float) -> str:
    place = series.index(bar.series)
    x = LEFT + GAP / 2 + loads.index(bar.load) * (BAR * len(series) + GAP) + place * BAR
    top, goal = (TOP + HEIGHT - value * scale for value in (bar.ratio, bar.goal))
    return (
        f'<rect x="{x:.1f}" y="{top:.1f}" width="{BAR - 2}" height="{bar.ratio * scale:.1f}"'
        f' fill="{COLOURS[place % len(COLOURS)]}"><title>{escape(bar.series)}, {escape(bar.load)}:'
        f" {bar.ratio:.2f}×, goal {bar.goal}×</title></rect>"
        f'<line x1="{x:.1f}" x2="{x + BAR - 2:.1f}" y1="{goal:.1f}" y2="{goal:.1f}" stroke="#000"/>'
    )


def _legend(series: list[str]) -> Iterator[str]:
    for place, name in enumerate(series):
        x = LEFT + 90 * place
        y = TOP + HEIGHT + FOOT - 8
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{COLOURS[place]}"/>'
        yield f'<text x="{x + 14}" y="{y}">{escape(name)}</text>'


def _labels(loads: list[str], group: int, num_series: int) -> Iterator[str]:
    for place, load in enumerate(loads):
        x = LEFT + GAP / 2 + place * group + BAR * num_series / 2
        y = TOP + HEIGHT + 16
        yield f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{escape(load)}</text>'
