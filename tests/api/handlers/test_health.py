"""Probes say what is true, and why not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from forge_common.protocol.message import PROTOCOL_VERSION
from tests.api.fakes import HELLO, STATS, Api, FakeEngine, Reply, get, serve, speaks


def make_engine() -> FakeEngine:
    return FakeEngine(speaks("hi"))


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health"])
def test_a_working_engine_is_ready(path: str) -> None:
    reply = get(make_engine(), path)
    assert reply.status == 200
    assert reply.json["status"] == "ok"


@pytest.mark.parametrize("path", ["/readyz", "/health"])
@pytest.mark.parametrize("missing", ["scheduler", "statistics", "worker"])
def test_without_an_engine_it_is_a_503_with_the_reason(path: str, missing: str) -> None:
    engine = make_engine()
    if missing == "worker":
        engine.statistics = msgspec.structs.replace(STATS, is_worker_ready=False)
    else:
        setattr(engine, missing, None)
    reply = get(engine, path)
    assert reply.status == 503
    assert reply.json["reason"]


def test_how_the_worker_was_lost_is_told() -> None:
    engine = make_engine()
    lost = {"is_worker_ready": False, "worker_loss": "the worker failed: out of memory"}
    engine.statistics = msgspec.structs.replace(STATS, **lost)
    reason = "another worker is awaited: the worker failed: out of memory"
    assert get(engine, "/readyz").json["reason"] == reason
    health = get(engine, "/forge/v1/health").json
    assert (health["status"], health["reason"]) == ("unavailable", reason)
    assert health["engine"]["worker_loss"] == "the worker failed: out of memory"
    assert health["engine"]["num_worker_restarts"] == 2


def test_alive_says_nothing_of_the_engine() -> None:
    engine = make_engine()
    engine.scheduler = engine.statistics = None
    assert get(engine, "/livez").status == 200


def test_draining_is_not_ready() -> None:
    async def test(api: Api) -> Reply:
        api.services.lifecycle.is_draining = True
        return await api.get("/readyz")

    assert serve(make_engine(), test).status == 503


def test_health_shows_the_engines_numbers() -> None:
    health = get(make_engine(), "/forge/v1/health").json
    assert health["status"] == "ok"
    assert health["engine"]["num_running"] == STATS.num_running
    assert health["engine"]["last_step_age_s"] == 0.5
    assert health["versions"]["protocol"] == PROTOCOL_VERSION


def test_health_is_a_200_also_when_something_is_wrong() -> None:
    engine = make_engine()
    engine.statistics = None
    health = get(engine, "/forge/v1/health")
    assert (health.status, health.json["engine"]) == (200, None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"last_step_age_s": None}, ("ready", None)),
        ({"last_step_age_s": 7.5}, ("busy", 7.5)),
        ({"is_worker_ready": False, "last_step_age_s": None}, ("awaited", None)),
    ],
)
def test_what_the_worker_does_is_told(fields: dict[str, Any], expected: tuple[Any, Any]) -> None:
    engine = make_engine()
    engine.statistics = msgspec.structs.replace(STATS, worker_uptime_s=3.0, **fields)
    worker = get(engine, "/forge/v1/health").json["engine"]["worker"]
    assert (worker["state"], worker["busy_s"]) == expected
    assert worker["restarts"] == {"gone": 2}
    assert worker["uptime_s"] == 3.0


def test_how_long_each_part_is_up_is_told() -> None:
    engine = make_engine()
    engine.statistics = msgspec.structs.replace(STATS, uptime_s=99.0)
    engine.num_scheduler_restarts = 2
    health = get(engine, "/forge/v1/health").json
    assert (health["engine"]["uptime_s"], health["engine"]["epoch"]) == (99.0, 1)
    assert health["uptime_s"] >= 0
    assert health["num_scheduler_restarts"] == 2
    assert health["engine"]["kv_cache_usage"] == 0.4


def test_processes_that_compile_grammars_are_counted() -> None:
    async def test(api: Api) -> Reply:
        grammar = {"response_format": {"type": "json_object"}}
        await api.post("/v1/chat/completions", HELLO | grammar)
        return await api.get("/forge/v1/health")

    grammars = serve(make_engine(), test).json["grammars"]
    expected = {"num_compiling": 0, "num_idle_processes": 1, "num_busy_processes": 0}
    assert grammars == expected | {"num_deaths": 0}
