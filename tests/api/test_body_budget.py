"""BodyBudget: what is held is bounded, and free again however its holding ends."""

from __future__ import annotations

import contextlib

import pytest
from prometheus_client import CollectorRegistry, Gauge

from forge_api.body_budget import LARGEST_BODIES_AT_ONCE, SMALL_BODY_BYTES, BodyBudget
from forge_api.errors import RetryLater

LARGE = 2 * SMALL_BODY_BYTES


@pytest.fixture
def gauge() -> Gauge:
    return Gauge("held", "Bytes", registry=CollectorRegistry())


def test_the_largest_bodies_fit_up_to_the_bound(gauge: Gauge) -> None:
    budget = BodyBudget(LARGE, gauge)
    with contextlib.ExitStack() as stack:
        for _ in range(LARGEST_BODIES_AT_ONCE):
            stack.enter_context(budget.body()).add(bytes(LARGE))
        with budget.body() as body, pytest.raises(RetryLater) as refused:
            body.add(bytes(LARGE))
    assert refused.value.code == "too_many_bodies"


def test_a_small_body_passes_where_there_is_no_room(gauge: Gauge) -> None:
    budget = BodyBudget(1024, gauge)
    with budget.body() as full, budget.body() as small:
        full.add(bytes(LARGEST_BODIES_AT_ONCE * 1024))
        small.add(bytes(SMALL_BODY_BYTES - 1))
        small.add(b"}")
        assert len(small.raw) == SMALL_BODY_BYTES
        with pytest.raises(RetryLater):
            small.add(b" ")


def test_the_gauge_shows_what_is_held(gauge: Gauge) -> None:
    budget = BodyBudget(LARGE, gauge)
    with budget.body() as body:
        body.add(b"abc")
        assert gauge._value.get() == 3
    assert gauge._value.get() == 0


def test_a_body_that_fails_is_free_again(gauge: Gauge) -> None:
    budget = BodyBudget(LARGE, gauge)
    with contextlib.suppress(ConnectionError), budget.body() as body:
        body.add(bytes(LARGE))
        raise ConnectionError
    assert gauge._value.get() == 0
    assert budget.has_room_for(LARGEST_BODIES_AT_ONCE * LARGE)


def test_what_was_refused_does_not_count(gauge: Gauge) -> None:
    budget = BodyBudget(1024, gauge)
    with budget.body() as body:
        with pytest.raises(RetryLater):
            body.add(bytes(LARGE))
        assert gauge._value.get() == 0
