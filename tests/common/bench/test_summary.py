"""What the numbers of a run add up to, from plain integers."""

from __future__ import annotations

import pytest

from forge_common.bench.service_level import ServiceLevel
from forge_common.bench.summary import FailureCount, Summary, summary_of
from tests.common.bench.builders import failed, observation


def percentile(summary: Summary, name: str, percent: int) -> float:
    return summary.distributions[name].percentiles[percent]


def test_latencies_of_one_reply() -> None:
    summary = summary_of([observation(3, 4, 6, due=1, sent=2, end=9)], None)
    found = {name: percentile(summary, name, 100) for name in summary.distributions}
    assert found == {
        "ttft": 2,
        "ttft_from_send": 1,
        "itl": 2,
        "tpot": 3,  # (9 - 3) / (3 - 1)
        "e2e": 8,
        "e2e_from_send": 7,
        "send_lag": 1,
    }


def test_gaps_of_all_replies_are_one_distribution() -> None:
    summary = summary_of([observation(1, 2, 4), observation(1, 9)], None)
    assert summary.distributions["itl"].num == 3
    assert summary.distributions["itl"].mean == pytest.approx((1 + 2 + 8) / 3)


def test_tokens_in_one_event_shorten_tpot_and_not_the_gaps() -> None:
    summary = summary_of([observation(1, 3, tokens=5)], None)
    assert percentile(summary, "itl", 50) == 2
    assert percentile(summary, "tpot", 50) == pytest.approx(2 / 4)


def test_reply_of_one_token_has_no_tpot() -> None:
    assert "tpot" not in summary_of([observation(1)], None).distributions


def test_throughput_counts_from_first_due_to_last_end() -> None:
    summary = summary_of([observation(3, 4, due=2), observation(5, 12, due=4, tokens=8)], None)
    assert summary.duration_s == 10
    assert summary.throughput.requests_per_s == pytest.approx(0.2)
    assert summary.throughput.output_tokens_per_s == pytest.approx(1.0)
    assert summary.throughput.prompt_tokens_per_s is None


def test_failed_requests_count_in_time_and_in_nothing_else() -> None:
    summary = summary_of([observation(1, 2), failed("timeout", end=10)], None)
    assert summary.duration_s == 10
    assert summary.counts.num_requests == 2
    assert summary.counts.num_succeeded == 1
    assert summary.distributions["e2e"].num == 1


def test_failures_are_counted_by_name_the_most_frequent_first() -> None:
    summary = summary_of(
        [
            failed("timeout"),
            failed("HTTP 429", detail="full", retry_after_s=1.0),
            failed("HTTP 429", detail="still full", retry_after_s=4.0),
        ],
        None,
    )
    assert summary.failures == [
        FailureCount("HTTP 429", 2, "full", 1.0, 4.0),
        FailureCount("timeout", 1, "", None, None),
    ]


def test_goodput_counts_what_meets_every_limit() -> None:
    slo = ServiceLevel(ttft=1.0, itl=2.0)
    good = observation(1, 3, 5)
    late = observation(2, 3)
    halting = observation(1, 10)
    summary = summary_of([good, late, halting, failed("timeout")], slo)
    assert summary.goodput is not None
    assert summary.goodput.num_requests == 1
    assert summary.goodput.requests_per_s == pytest.approx(0.1)
    assert summary.goodput.share == pytest.approx(0.25)


def test_prompt_tokens_are_of_those_who_said() -> None:
    told = observation(1, num_prompt_tokens=10, num_cached_tokens=4)
    counts = summary_of([told, observation(1)], None).counts
    assert (counts.num_prompt_tokens, counts.num_cached_tokens) == (10, 4)


def test_nothing_observed_is_a_summary_of_zeros() -> None:
    summary = summary_of([], ServiceLevel(ttft=1))
    assert summary.throughput.requests_per_s == 0
    assert summary.distributions == {}
