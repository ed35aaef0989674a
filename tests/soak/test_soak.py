"""A soak of some seconds: each kind of kill once, nothing lost, nothing wrong, nothing left."""

from __future__ import annotations

import asyncio

import pytest

from tests.soak.cases import few_cases
from tests.soak.faults import Plan
from tests.soak.findings import findings
from tests.soak.report import report
from tests.soak.soak import Settings, Soak

pytestmark = pytest.mark.integration

PLAN = Plan(quiet_s=(0.5, 1.0), shares=(("kill worker", 1), ("kill scheduler", 1), ("kill api", 1)))


def test_short_soak_loses_nothing_and_leaves_nothing() -> None:
    settings = Settings(
        duration_s=6.0, cases=few_cases(), plan=PLAN, num_http_clients=6, num_zmq_clients=1
    )
    outcome = asyncio.run(Soak(settings).run())
    assert findings(outcome) == [], outcome.tally.notes
    assert {fault.kind for fault in outcome.tally.faults} == {kind for kind, _ in PLAN.shares}
    assert "| **requests lost** | **0** |" in report(outcome)
