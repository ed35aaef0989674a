"""What a load has shown, as a Markdown table: a column a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.load.load_run import LoadOutcome
from tests.soak.footprint import MIB

ROLES = ("api", "scheduler", "worker", "supervisor")


def table(outcomes: Mapping[str, LoadOutcome]) -> str:
    rows: dict[str, Callable[[LoadOutcome], str]] = {
        "served": lambda outcome: f"{outcome.num_served:,}",
        "refused with 429 and Retry-After": lambda outcome: f"{outcome.num_refused:,}",
        "**failed in any other way**": lambda outcome: f"**{outcome.num_failed}**",
        "streams that spoke at the same time": _streams,
        "time": lambda outcome: f"{outcome.result.summary.duration_s:.1f} s",
        "tokens a second": _speed,
        "TTFT p50 / p99": lambda outcome: _spans(outcome, "ttft"),
        "ITL p50 / p99": lambda outcome: _spans(outcome, "itl"),
        "processor share of the load itself": _own_share,
    }
    for role in ROLES:
        rows[f"{role}: RSS at rest → peak"] = _memory_of(role)
    lines = [_line("", list(outcomes)), "|---" * (len(outcomes) + 1) + "|"]
    lines += [_line(name, [cell(one) for one in outcomes.values()]) for name, cell in rows.items()]
    return "\n".join(lines)


def _line(name: str, cells: list[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def _streams(outcome: LoadOutcome) -> str:
    return f"{outcome.most_streams_at_a_time:,}"


def _speed(outcome: LoadOutcome) -> str:
    return f"{outcome.result.summary.throughput.output_tokens_per_s:,.0f}"


def _own_share(outcome: LoadOutcome) -> str:
    return f"{outcome.result.generator.cpu_share:.2f} cores"


def _spans(outcome: LoadOutcome, name: str) -> str:
    distribution = outcome.result.summary.distributions.get(name)
    if distribution is None:
        return "–"
    p50, p99 = distribution.percentiles[50], distribution.percentiles[99]
    return f"{p50 * 1000:,.0f} / {p99 * 1000:,.0f} ms"


def _memory_of(role: str) -> Callable[[LoadOutcome], str]:
    def cell(outcome: LoadOutcome) -> str:
        rest, peak = outcome.rss_at_rest_bytes[role], outcome.rss_peak_bytes[role]
        return f"{rest / MIB:.0f} → {peak / MIB:.0f} MiB"

    return cell
