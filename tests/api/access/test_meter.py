"""What a key uses counts against its limits, and what it did not get does not."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from forge_api.access.api_key import KeyLimits
from forge_api.access.meter import KeyMeter
from forge_api.errors import RetryLater
from forge_api.metrics import Metrics
from tests.api.access.test_token_bucket import FakeClock


def make_meter(num_processes: int = 1, **limits: int) -> tuple[KeyMeter, FakeClock]:
    clock = FakeClock()
    meter = KeyMeter("alice", Metrics().keys, clock)
    meter.set_limits(KeyLimits(**limits), num_processes)
    return meter, clock


def use(meter: KeyMeter, num_prompt_tokens: int = 0, num_output_tokens: int = 0) -> None:
    with meter.request(), meter.tokens_of(num_prompt_tokens) as spending:
        spending.is_accepted = True
        spending.num_output_tokens = num_output_tokens


def test_request_beyond_the_limit_is_told_when_to_come_again() -> None:
    meter, clock = make_meter(requests_per_minute=2)
    use(meter)
    use(meter)
    with pytest.raises(RetryLater) as raised:
        use(meter)
    assert raised.value.code == "rate_limit_exceeded"
    clock.now_s += raised.value.retry_after_s
    use(meter)


def test_output_beyond_the_limit_is_owed() -> None:
    meter, clock = make_meter(tokens_per_minute=100)
    use(meter, 50, 150)
    with pytest.raises(RetryLater) as raised:
        use(meter, 10)
    assert raised.value.retry_after_s == pytest.approx(66.0)
    clock.now_s += 66.0
    use(meter, 10)


def test_prompt_longer_than_a_minutes_worth_is_served_from_a_full_bucket() -> None:
    meter, _ = make_meter(tokens_per_minute=100)
    use(meter, 1000)
    assert meter.tokens is not None
    assert meter.tokens.level == -900


def test_prompt_that_the_engine_did_not_take_is_given_back() -> None:
    meter, _ = make_meter(tokens_per_minute=100)
    with meter.tokens_of(80):
        pass
    assert meter.tokens is not None
    assert (meter.tokens.level, meter.num_tokens) == (100, 0)


def test_requests_at_a_time_are_limited_and_their_places_come_free() -> None:
    meter, _ = make_meter(max_concurrent_requests=1)
    with meter.request(), pytest.raises(RetryLater), meter.request():
        pass
    use(meter)
    assert meter.num_running == 0


def test_retry_after_of_a_busy_key_follows_from_how_long_its_requests_take() -> None:
    meter, clock = make_meter(max_concurrent_requests=2)
    for _ in range(60):
        with meter.request():
            clock.now_s += 10.0
    with meter.request(), meter.request(), pytest.raises(RetryLater) as raised, meter.request():
        pass
    assert raised.value.retry_after_s == pytest.approx(5.0, rel=0.05)


def test_each_of_several_processes_keeps_to_its_share() -> None:
    meter, _ = make_meter(
        4, requests_per_minute=100, tokens_per_minute=2, max_concurrent_requests=3
    )
    assert meter.requests is not None
    assert meter.tokens is not None
    assert (meter.requests.per_minute, meter.tokens.per_minute, meter.max_running) == (25, 1, 1)


def test_usage_outlives_limits_that_did_not_change() -> None:
    meter, _ = make_meter(requests_per_minute=2, tokens_per_minute=10)
    use(meter, 10)
    meter.set_limits(KeyLimits(requests_per_minute=2, tokens_per_minute=20), 1)
    assert meter.requests is not None
    assert meter.tokens is not None
    assert (meter.requests.level, meter.tokens.level) == (1, 20)


def test_metrics_bear_the_name_of_the_key() -> None:
    meter, _ = make_meter(requests_per_minute=1)
    use(meter, 3, 4)
    with pytest.raises(RetryLater):
        use(meter)
    text = generate_latest(meter._metrics.registry).decode()
    assert 'forge_key_requests_total{key="alice"} 1.0' in text
    assert 'forge_key_tokens_total{key="alice",kind="output"} 4.0' in text
    assert 'forge_key_refusals_total{key="alice",limit="requests"} 1.0' in text
