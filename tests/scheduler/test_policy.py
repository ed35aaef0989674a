from __future__ import annotations

from forge_scheduler.policy import FirstComeFirstServed, LowestPriorityNumberFirst, make_policy
from tests.builders import make_sequence


def test_fcfs_ignores_priority() -> None:
    policy = FirstComeFirstServed()
    assert policy.rank(9, 0.0, 1, 0) < policy.rank(0, 0.0, 2, 0)


def test_priority_goes_before_arrival() -> None:
    policy = LowestPriorityNumberFirst()
    assert policy.rank(0, 0.0, 2, 0) < policy.rank(9, 0.0, 1, 0)
    assert policy.rank(0, 0.0, 1, 0) < policy.rank(0, 0.0, 2, 0)


def test_choices_of_a_request_stay_together() -> None:
    policy = FirstComeFirstServed()
    assert policy.rank(0, 0.0, 1, 15) < policy.rank(0, 0.0, 2, 0)


def test_only_a_lower_priority_number_displaces() -> None:
    policy = make_policy("priority")
    urgent, patient = make_sequence(priority=0), make_sequence(priority=1)
    assert policy.may_displace(urgent, patient)
    assert not policy.may_displace(patient, urgent)
    assert not policy.may_displace(urgent, urgent)


def test_fcfs_displaces_nobody() -> None:
    assert not make_policy("fcfs").may_displace(make_sequence(priority=0), make_sequence())
