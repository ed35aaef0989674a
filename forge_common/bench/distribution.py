"""Distribution: many numbers as their count, mean and percentiles. Knows no units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor, fsum

from msgspec import Struct

SHOWN_PERCENTILES = (50, 90, 95, 99)


class Distribution(Struct, frozen=True, forbid_unknown_fields=True):
    """`percentiles[p]` is the p-th percentile, from 0 (the least) to 100 (the greatest)."""

    num: int
    mean: float
    percentiles: list[float]


def distribution_of(values: Iterable[float]) -> Distribution | None:
    """None of no values: there is no number that would say so."""
    ordered = sorted(values)
    if not ordered:
        return None
    points = [percentile(ordered, share) for share in range(101)]
    return Distribution(len(ordered), fsum(ordered) / len(ordered), points)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Between the two nearest of `ordered`, ascending: NumPy's default, type 7 of Hyndman and Fan
    (Sample Quantiles in Statistical Packages, 1996)."""
    place = (len(ordered) - 1) * percent / 100
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
