"""The tables of a report as rows of text, for a terminal and for a page alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from forge_common.bench.definitions import METRICS
from forge_common.bench.distribution import SHOWN_PERCENTILES, Distribution
from forge_common.bench.result import BenchResult
from forge_common.bench.spans import significant, span_text
from forge_common.bench.summary import Counts, FailureCount, Summary

UNKNOWN = "not said"


class Table(NamedTuple):
    """`heading` and every row have as many cells; the first of each says what the row is."""

    heading: Sequence[str]
    rows: Sequence[Sequence[str]]


def setting_table(result: BenchResult) -> Table:
    settings = result.settings
    counted = settings.num_requests
    length = f"{counted} requests" if counted else f"{settings.duration_s:g} s"
    slo = settings.slo.text if settings.slo else "none"
    rows = (
        ("server", f"{settings.url}{settings.endpoint.path}"),
        ("model", settings.model),
        ("data set", dataset_text(result)),
        ("load", f"{settings.load.text}, {length}"),
        ("limits", slo),
        ("began", f"{result.started_at}, forge-bench {result.forge_version}"),
        ("load from", result.machine.text),
    )
    return Table(("run", ""), rows)


def dataset_text(result: BenchResult) -> str:
    dataset = result.settings.dataset
    named = {
        str(encoded): getattr(dataset, name)
        for name, encoded in zip(
            dataset.__struct_fields__, dataset.__struct_encode_fields__, strict=True
        )
    }
    values = ",".join(f"{name}={value}" for name, value in named.items())
    return f"{dataset.__struct_config__.tag}:{values}"


def throughput_table(summary: Summary) -> Table:
    counts, throughput = summary.counts, summary.throughput
    prompt_rate = throughput.prompt_tokens_per_s
    rows = [
        ("requests", f"{counts.num_succeeded} of {counts.num_requests} succeeded"),
        ("length of the run", span_text(summary.duration_s)),
        ("requests/s", significant(throughput.requests_per_s)),
        ("output tokens/s", significant(throughput.output_tokens_per_s)),
        ("prompt tokens/s", UNKNOWN if prompt_rate is None else significant(prompt_rate)),
        ("output tokens", f"{counts.num_output_tokens:,} in {counts.num_content_events:,} events"),
        ("prompt tokens", _prompt_text(counts)),
    ]
    if summary.goodput is not None:
        good = summary.goodput
        text = f"{significant(good.requests_per_s)} requests/s ({good.share:.1%} of requests)"
        rows.append(("goodput", text))
    return Table(("throughput", ""), rows)


def latency_table(summary: Summary) -> Table:
    percentiles = [f"p{percent}" for percent in SHOWN_PERCENTILES]
    found = [
        (metric.title, summary.distributions[metric.name])
        for metric in METRICS
        if metric.name in summary.distributions
    ]
    rows = [(title, *_spans(distribution)) for title, distribution in found]
    return Table(("latency", "mean", *percentiles, "greatest", "values"), rows)


def failure_table(summary: Summary) -> Table:
    """No rows where nothing failed."""
    rows = [
        (failure.kind, str(failure.num), _wait_text(failure), failure.example)
        for failure in summary.failures
    ]
    return Table(("failed", "requests", "Retry-After", "the first one said"), rows)


def markdown(table: Table, max_cell_chars: int = 100) -> str:
    """Aligned, so that it reads well on a terminal too; whatever steers one is taken out."""
    cells = [
        [_plain(cell)[:max_cell_chars] for cell in row] for row in (table.heading, *table.rows)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in cells
    ]
    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text).replace("|", "\\|")


def _prompt_text(counts: Counts) -> str:
    if counts.num_prompt_tokens is None:
        return UNKNOWN
    cached = counts.num_cached_tokens
    return f"{counts.num_prompt_tokens:,}" + (f", {cached:,} of them cached" if cached else "")


def _spans(distribution: Distribution) -> list[str]:
    points = [distribution.percentiles[percent] for percent in (*SHOWN_PERCENTILES, 100)]
    return [*map(span_text, [distribution.mean, *points]), f"{distribution.num:,}"]


def _wait_text(failure: FailureCount) -> str:
    shortest, longest = failure.shortest_retry_after_s, failure.longest_retry_after_s
    if shortest is None or longest is None:
        return ""
    return f"{shortest:g} s" if shortest == longest else f"{shortest:g} to {longest:g} s"
