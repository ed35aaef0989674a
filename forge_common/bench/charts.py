"""Which charts a report has, for one result or for two: latencies, and what went on over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from forge_common.bench.chart import Chart, Drawn, Point, Series
from forge_common.bench.definitions import METRICS
from forge_common.bench.result import BenchResult
from forge_common.bench.timeline import Timeline

SHOWN_DISTRIBUTIONS = ("ttft", "itl", "tpot", "e2e")
MS_A_SECOND = 1000


def charts_of(results: Mapping[str, BenchResult]) -> list[Chart]:
    """Every chart has a series for each result, by its name."""
    over_time = "seconds since the run began"
    return [
        *(_distribution_chart(name, results) for name in SHOWN_DISTRIBUTIONS),
        Chart(
            "Output tokens per second",
            over_time,
            "tokens/s",
            _series(results, lambda result: _rates(result.timeline)),
        ),
        Chart(
            "Requests under way",
            over_time,
            "requests",
            _series(results, lambda result: _running(result.timeline)),
        ),
        Chart(
            "TTFT by when a request was due",
            over_time,
            "TTFT, ms",
            _series(results, _ttft_dots),
            Drawn.DOTS,
        ),
    ]


def _distribution_chart(name: str, results: Mapping[str, BenchResult]) -> Chart:
    title = next(metric.title for metric in METRICS if metric.name == name)
    series = _series(results, lambda result: _shares(result, name))
    return Chart(f"{title}: share of values up to", f"{title}, ms", "%", series)


def _series(
    results: Mapping[str, BenchResult], points: Callable[[BenchResult], list[Point]]
) -> list[Series]:
    return [Series(name, points(result)) for name, result in results.items()]


def _shares(result: BenchResult, name: str) -> list[Point]:
    distribution = result.summary.distributions.get(name)
    percentiles = distribution.percentiles if distribution else []
    return [Point(span * MS_A_SECOND, percent) for percent, span in enumerate(percentiles)]


def _rates(timeline: Timeline) -> list[Point]:
    """At the middle of each slice."""
    return [
        Point((number + 0.5) * timeline.slice_s, tokens / timeline.slice_s)
        for number, tokens in enumerate(timeline.num_output_tokens)
    ]


def _running(timeline: Timeline) -> list[Point]:
    """At the end of each slice."""
    return [
        Point((number + 1) * timeline.slice_s, running)
        for number, running in enumerate(timeline.num_running)
    ]


def _ttft_dots(result: BenchResult) -> list[Point]:
    return [
        Point(record.intended_s, record.ttft_s * MS_A_SECOND)
        for record in result.requests
        if record.ttft_s is not None and record.failure is None
    ]
