"""A report as Markdown that reads well on a terminal. Knows how to order it, not what it says."""

from __future__ import annotations

from forge_common.bench.comparison import comparison_table, difference_table
from forge_common.bench.result import BenchResult, remarks
from forge_common.bench.tables import (
    failure_table,
    latency_table,
    markdown,
    setting_table,
    throughput_table,
)

WHERE_DEFINED = "Times count from when a request was due; docs/forge-bench.md defines each number."


def run_report(result: BenchResult) -> str:
    tables = [
        setting_table(result),
        throughput_table(result.summary),
        latency_table(result.summary),
        failure_table(result.summary),
    ]
    parts = [markdown(table) for table in tables if table.rows]
    return "\n\n".join([*parts, *remarks(result), WHERE_DEFINED])


def comparison_report(first: BenchResult, second: BenchResult) -> str:
    tables = [comparison_table(first, second), difference_table(first, second)]
    said = [
        f"{name}: {sentence}"
        for name, result in (("A", first), ("B", second))
        for sentence in remarks(result)
    ]
    return "\n\n".join([*(markdown(table) for table in tables if table.rows), *said])
