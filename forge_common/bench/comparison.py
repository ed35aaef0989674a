"""Two results side by side: numbers, their ratio, and which settings were not the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from forge_common.bench.definitions import METRICS
from forge_common.bench.result import BenchResult
from forge_common.bench.spans import significant, span_text
from forge_common.bench.summary import Summary
from forge_common.bench.tables import Table

COMPARED_PERCENTILES = (50, 90, 99)
COMPARED_METRICS = ("ttft", "itl", "tpot", "e2e")
# Runs differ by so much by themselves.
ALIKE_ENOUGH = 0.02


class Compared(NamedTuple):
    """A number of both runs; None where a run has not got it."""

    title: str
    first: float | None
    second: float | None
    is_more_better: bool
    text: Callable[[float], str]

    @property
    def ratio(self) -> float | None:
        if not self.first or self.second is None:
            return None
        return self.second / self.first

    @property
    def verdict(self) -> str:
        """Of the second run; empty where they are within 2 % or cannot be compared."""
        ratio = self.ratio
        if ratio is None or abs(ratio - 1) < ALIKE_ENOUGH:
            return ""
        return "better" if (ratio > 1) == self.is_more_better else "worse"


def compared(first: Summary, second: Summary) -> list[Compared]:
    return [*_throughputs(first, second), *_latencies(first, second)]


def comparison_table(first: BenchResult, second: BenchResult) -> Table:
    rows = [
        (row.title, _cell(row, row.first), _cell(row, row.second), ratio_text(row), row.verdict)
        for row in compared(first.summary, second.summary)
    ]
    return Table(("", "A", "B", "B / A", "B is"), rows)


def difference_table(first: BenchResult, second: BenchResult) -> Table:
    """A row for each setting that differs; no rows where the runs asked for the same."""
    settings = (msgspec.to_builtins(result.settings) for result in (first, second))
    mine, other = (dict(_flat(values, "")) for values in settings)
    names = [name for name in {**mine, **other} if mine.get(name) != other.get(name)]
    rows = [(name, str(mine.get(name, "")), str(other.get(name, ""))) for name in names]
    return Table(("setting", "A", "B"), rows)


def ratio_text(row: Compared) -> str:
    return "" if row.ratio is None else f"{row.ratio:.3g}×"


def _throughputs(first: Summary, second: Summary) -> list[Compared]:
    numbers: tuple[tuple[str, Callable[[Summary], float | None]], ...] = (
        ("output tokens/s", lambda summary: summary.throughput.output_tokens_per_s),
        ("requests/s", lambda summary: summary.throughput.requests_per_s),
        ("goodput, requests/s", _goodput),
    )
    rows = [
        Compared(title, number(first), number(second), True, significant)
        for title, number in numbers
    ]
    failed = [each.counts.num_requests - each.counts.num_succeeded for each in (first, second)]
    return [*rows, Compared("failed requests", failed[0], failed[1], False, "{:.0f}".format)]


def _goodput(summary: Summary) -> float | None:
    return None if summary.goodput is None else summary.goodput.requests_per_s


def _latencies(first: Summary, second: Summary) -> Iterator[Compared]:
    for metric in (metric for metric in METRICS if metric.name in COMPARED_METRICS):
        for percent in COMPARED_PERCENTILES:
            mine, other = (_percentile(each, metric.name, percent) for each in (first, second))
            yield Compared(f"{metric.title} p{percent}", mine, other, False, span_text)


def _percentile(summary: Summary, name: str, percent: int) -> float | None:
    distribution = summary.distributions.get(name)
    return None if distribution is None else distribution.percentiles[percent]


def _cell(row: Compared, value: float | None) -> str:
    return "" if value is None else row.text(value)


def _flat(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
