"""A tenth of the load: streams are held, and a flood is served or told to come back."""

from __future__ import annotations

import asyncio

import pytest

from tests.load.__main__ import held_streams
from tests.load.load_run import Job, run_job
from tests.load.load_table import table
from tests.soak.footprint import MIB

pytestmark = pytest.mark.integration

MAX_GROWTH_BYTES = 64 * MIB


def test_hundred_streams_are_held_at_a_time() -> None:
    outcome = asyncio.run(run_job(held_streams(100, 64)))
    assert outcome.num_served == 100, outcome.failures
    assert outcome.most_streams_at_a_time >= 90
    assert "| **failed in any other way** | **0** |" in table({"streams": outcome})


def test_flood_is_served_or_told_to_come_back() -> None:
    small = ("--max-queued-requests", "100", "--max-batch-size", "32")
    outcome = asyncio.run(run_job(Job(1000, 8, 4, small)))
    assert outcome.num_failed == 0, outcome.failures
    assert outcome.num_refused > 0
    assert outcome.num_served >= 100
    for role, rest_bytes in outcome.rss_at_rest_bytes.items():
        assert outcome.rss_peak_bytes[role] - rest_bytes < MAX_GROWTH_BYTES, role
