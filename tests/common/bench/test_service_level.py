"""Limits: which requests are within them."""

from __future__ import annotations

import pytest

from forge_common.bench.service_level import ServiceLevel, service_level
from forge_common.errors import ConfigError
from tests.common.bench.builders import failed, observation


def test_limits_are_read_as_spans() -> None:
    assert service_level("ttft=500ms, itl=50ms") == ServiceLevel(ttft=0.5, itl=0.05)


@pytest.mark.parametrize("text", ["", "p99=1s", "ttft", "ttft=fast"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--slo"):
        service_level(text)


@pytest.mark.parametrize(
    ("limits", "is_met"),
    [
        (ServiceLevel(ttft=1), True),
        (ServiceLevel(ttft=0.9), False),
        (ServiceLevel(itl=3), True),
        (ServiceLevel(itl=2.9), False),
        (ServiceLevel(tpot=2), True),
        (ServiceLevel(tpot=1.9), False),
        (ServiceLevel(e2e=5), True),
        (ServiceLevel(e2e=4.9), False),
    ],
)
def test_each_limit_bounds_its_own_span(limits: ServiceLevel, is_met: bool) -> None:
    assert limits.is_met_by(observation(1, 2, 5).record) is is_met


def test_failed_request_meets_no_limit() -> None:
    assert not ServiceLevel().is_met_by(failed("timeout").record)


def test_waiting_to_be_sent_counts() -> None:
    assert not ServiceLevel(ttft=2).is_met_by(observation(5, due=0, sent=4).record)
