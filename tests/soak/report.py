"""What a soak has shown, as a Markdown table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.soak.footprint import MIB, Growth, Held
from tests.soak.soak import Outcome

Row = tuple[str, str]


def report(outcome: Outcome) -> str:
    rows = [*_traffic(outcome), *_faults(outcome), *_gaps(outcome), *_memory(outcome)]
    rows += _ending(outcome)
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank. `values` are not empty."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _traffic(outcome: Outcome) -> Iterator[Row]:
    settings, tally = outcome.settings, outcome.tally
    clients = f"{settings.num_http_clients} over HTTP, {settings.num_zmq_clients} over ZMQ"
    yield "time under traffic", f"{settings.duration_s / 60:.1f} minutes"
    yield "clients at a time", clients
    kinds = ", ".join(f"{count:,} {manner}" for manner, count in sorted(tally.num_ended.items()))
    yield "requests", f"{tally.num_requests:,} ({kinds})"
    yield "tokens that were read", f"{tally.num_tokens:,}"
    yield "drafted tokens accepted", f"at least {outcome.num_accepted_drafts:,}"
    yield "**replies with a wrong text**", f"**{tally.num_wrong}**"
    yield "**requests lost**", f"**{tally.num_lost}**"
    yield "connections that ended with their API process", f"{tally.num_lost_with_api}"


def _faults(outcome: Outcome) -> Iterator[Row]:
    counts = Counter(fault.kind for fault in outcome.tally.faults)
    kinds = ", ".join(f"{count} × {kind}" for kind, count in sorted(counts.items()))
    yield "faults", kinds or "none"
    yield "sequences resumed", f"at least {outcome.num_resumed:,}"


def _gaps(outcome: Outcome) -> Iterator[Row]:
    by_kind = outcome.tally.gaps_s
    everything = [gap_s for gaps_s in by_kind.values() for gap_s in gaps_s]
    for kind, gaps_s in [("any fault", everything), *sorted(by_kind.items())]:
        if gaps_s:
            p50, p95 = percentile(gaps_s, 0.5), percentile(gaps_s, 0.95)
            text = f"{p50:.2f} / {p95:.2f} / {max(gaps_s):.2f} s ({len(gaps_s):,} streams)"
            yield f"gap in a stream, {kind}: p50 / p95 / max", text


def _memory(outcome: Outcome) -> Iterator[Row]:
    for growth in outcome.footprint.growth():
        yield f"{growth.role}: RSS in the first third → the last third", _growth(growth)
    for role in outcome.before.by_role:
        before, after = outcome.before.by_role[role], outcome.after.by_role[role]
        yield f"{role}: descriptors at rest, before → after", f"{_fds(before)} → {_fds(after)}"
    files = f"{len(outcome.before.run_files)} → {len(outcome.after.run_files)}"
    yield "files in the run directory", files


def _ending(outcome: Outcome) -> Iterator[Row]:
    ending = outcome.ending
    if ending.stats is not None:
        yield (
            "KV blocks free at rest",
            f"{ending.stats.num_free_blocks} of {ending.stats.num_blocks}",
        )
    yield "zombies", f"{ending.num_zombies}"
    yield "exit code, processes left", f"{ending.exit_code}, {ending.num_processes_left}"


def _growth(growth: Growth) -> str:
    first, last, most = (
        rss_bytes / MIB
        for rss_bytes in (growth.first.rss_bytes, growth.last.rss_bytes, growth.max_rss_bytes)
    )
    return f"{first:.1f} → {last:.1f} MiB (most: {most:.1f})"


def _fds(held: list[Held]) -> str:
    return ", ".join(str(one.num_fds) for one in held)
