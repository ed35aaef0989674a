from __future__ import annotations

import pytest

from forge_api.access.token_bucket import TokenBucket


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def make_bucket(per_minute: float = 60) -> tuple[TokenBucket, FakeClock]:
    clock = FakeClock()
    return TokenBucket(per_minute, clock), clock


def test_full_bucket_gives_a_minutes_worth_at_once() -> None:
    bucket, _ = make_bucket(60)
    bucket.take(60)
    assert bucket.level == 0
    assert bucket.wait_s(1) == pytest.approx(1.0)


def test_what_was_told_to_wait_for_is_there_then() -> None:
    bucket, clock = make_bucket(90)
    bucket.take(90)
    clock.now_s += bucket.wait_s(7)
    assert bucket.wait_s(7) == pytest.approx(0.0, abs=1e-9)


def test_bucket_never_holds_more_than_a_minutes_worth() -> None:
    bucket, clock = make_bucket(60)
    clock.now_s += 3600
    bucket.give_back(1000)
    assert bucket.level == 60


def test_debt_is_made_good_before_anything_is_to_be_had() -> None:
    bucket, _ = make_bucket(60)
    bucket.take(90)
    assert bucket.wait_s(1) == pytest.approx(31.0)


def test_more_than_there_ever_is_waits_for_a_full_bucket() -> None:
    bucket, _ = make_bucket(60)
    assert bucket.wait_s(1000) == 0
    bucket.take(30)
    assert bucket.wait_s(1000) == pytest.approx(30.0)
