"""The status that the page asks for: whole, and honest when there is none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.fakes import STATS, STATUS, FakeEngine, get, speaks

PATH = "/forge/v1/status"


def make_engine() -> FakeEngine:
    return FakeEngine(speaks("hi"))


def test_sequences_come_by_name() -> None:
    [sequence] = get(make_engine(), PATH).json["sequences"]
    assert sequence["request_id"] == "chatcmpl-1"
    assert (sequence["phase"], sequence["num_output_tokens"]) == ("running", 4)


def test_blocks_come_as_cells() -> None:
    block_map = get(make_engine(), PATH).json["block_map"]
    assert block_map["used"] == STATUS.block_map.used
    assert (block_map["num_blocks"], block_map["blocks_per_cell"]) == (100, 50)


def test_totals_are_the_schedulers() -> None:
    totals = get(make_engine(), PATH).json["totals"]
    assert totals["num_output_tokens"] == STATS.output_tokens_total
    assert (totals["num_steps"], totals["step_s"]) == (9, 0.5)
    assert totals["worker_restarts"] == {"gone": 2}


def test_health_is_that_of_the_health_route() -> None:
    engine = make_engine()
    shown, health = get(engine, PATH).json["health"], get(engine, "/forge/v1/health").json
    assert shown.pop("uptime_s") < 60 > health.pop("uptime_s")
    assert shown == health


@pytest.mark.parametrize("missing", ["scheduler", "statistics", "state"])
def test_a_silent_scheduler_leaves_health_alone(missing: str) -> None:
    engine = make_engine()
    setattr(engine, missing, None)
    reply = get(engine, PATH)
    empty: dict[str, Any] = {"limits": None, "totals": None, "sequences": [], "block_map": None}
    assert reply.status == 200
    assert reply.json == empty | {"health": reply.json["health"]}


def test_it_needs_the_key() -> None:
    assert get(make_engine(), PATH, api_key=("secret",)).status == 401
