"""Summary: what the observations of one run add up to. Arithmetic only.

What each number means stands in `definitions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from forge_common.bench.distribution import Distribution, distribution_of
from forge_common.bench.records import Failure, Observation, RequestRecord
from forge_common.bench.service_level import ServiceLevel


class FailureCount(Struct, frozen=True, forbid_unknown_fields=True):
    """`example` is what the server said of the first one."""

    kind: str
    num: int
    example: str
    shortest_retry_after_s: float | None = None
    longest_retry_after_s: float | None = None


class Goodput(Struct, frozen=True, forbid_unknown_fields=True):
    num_requests: int  # that met every limit
    requests_per_s: float
    share: float  # of all requests, failed ones too


class Counts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens are those of requests that succeeded; None where the server did not say."""

    num_requests: int
    num_succeeded: int
    num_counted_by_usage: int
    num_content_events: int
    num_output_tokens: int
    num_prompt_tokens: int | None
    num_cached_tokens: int | None


class Throughput(Struct, frozen=True, forbid_unknown_fields=True):
    """Of requests that succeeded, over the whole of a run."""

    requests_per_s: float
    output_tokens_per_s: float
    prompt_tokens_per_s: float | None


class Summary(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`distributions` holds seconds, by names of `definitions`; what nobody measured is missing."""

    duration_s: float
    counts: Counts
    throughput: Throughput
    goodput: Goodput | None
    failures: list[FailureCount]
    distributions: dict[str, Distribution]


def summary_of(observations: Sequence[Observation], slo: ServiceLevel | None) -> Summary:
    records = [observation.record for observation in observations]
    succeeded = [observation for observation in observations if _is_success(observation.record)]
    duration_s = duration_of(records)
    counts = _counts(records)
    return Summary(
        duration_s=duration_s,
        counts=counts,
        throughput=_throughput(counts, duration_s),
        goodput=None if slo is None else _goodput(records, slo, duration_s),
        failures=_failures(records),
        distributions=_distributions(records, succeeded),
    )


def duration_of(records: Sequence[RequestRecord]) -> float:
    """From the first time a request was due to the end of the last one, in seconds."""
    if not records:
        return 0.0
    return max(record.end_s for record in records) - min(record.intended_s for record in records)


def _is_success(record: RequestRecord) -> bool:
    return record.failure is None


def _counts(records: Sequence[RequestRecord]) -> Counts:
    succeeded = list(filter(_is_success, records))
    return Counts(
        num_requests=len(records),
        num_succeeded=len(succeeded),
        num_counted_by_usage=sum(record.is_counted_by_usage for record in succeeded),
        num_content_events=sum(record.num_content_events for record in succeeded),
        num_output_tokens=sum(record.num_output_tokens for record in succeeded),
        num_prompt_tokens=_sum_said(record.num_prompt_tokens for record in succeeded),
        num_cached_tokens=_sum_said(record.num_cached_tokens for record in succeeded),
    )


def _sum_said(numbers: Iterable[int | None]) -> int | None:
    said = [number for number in numbers if number is not None]
    return sum(said) if said else None


def _throughput(counts: Counts, duration_s: float) -> Throughput:
    prompt = counts.num_prompt_tokens
    return Throughput(
        _per_s(counts.num_succeeded, duration_s),
        _per_s(counts.num_output_tokens, duration_s),
        None if prompt is None else _per_s(prompt, duration_s),
    )


def _per_s(num: int, duration_s: float) -> float:
    return num / duration_s if duration_s else 0.0


def _goodput(records: Sequence[RequestRecord], slo: ServiceLevel, duration_s: float) -> Goodput:
    num = sum(slo.is_met_by(record) for record in records)
    return Goodput(num, _per_s(num, duration_s), num / len(records) if records else 0.0)


def _failures(records: Iterable[RequestRecord]) -> list[FailureCount]:
    by_kind: dict[str, list[Failure]] = {}
    for record in records:
        if record.failure is not None:
            by_kind.setdefault(record.failure.kind, []).append(record.failure)
    counts = [_failure_count(kind, failures) for kind, failures in by_kind.items()]
    return sorted(counts, key=lambda count: (-count.num, count.kind))


def _failure_count(kind: str, failures: Sequence[Failure]) -> FailureCount:
    waits = [failure.retry_after_s for failure in failures if failure.retry_after_s is not None]
    return FailureCount(
        kind,
        len(failures),
        failures[0].detail,
        min(waits, default=None),
        max(waits, default=None),
    )


def _distributions(
    records: Sequence[RequestRecord], succeeded: Sequence[Observation]
) -> dict[str, Distribution]:
    done = [observation.record for observation in succeeded]
    values: dict[str, Iterable[float | None]] = {
        "ttft": [record.ttft_s for record in done],
        "itl": [gap for observation in succeeded for gap in observation.gaps_s],
        "tpot": [record.tpot_s for record in done],
        "e2e": [record.e2e_s for record in done],
        "ttft_from_send": [record.ttft_from_send_s for record in done],
        "e2e_from_send": [record.e2e_from_send_s for record in done],
        "send_lag": [record.send_lag_s for record in records],
    }
    found = {name: distribution_of(_said(spans)) for name, spans in values.items()}
    return {name: distribution for name, distribution in found.items() if distribution}


def _said(values: Iterable[float | None]) -> Iterable[float]:
    return (value for value in values if value is not None)
