"""A key gets what it may have: its model, rate, tokens, places; and is told what is left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from forge_api.middleware.limits import as_duration
from tests.api.fakes import HELLO, Api, FakeEngine, never_ends, serve, speaks, until

ALICE = {"headers": {"Authorization": "Bearer a"}}
CHAT = "/v1/chat/completions"


def served(tmp_path: Path, limits: str, test: Any, engine: FakeEngine | None = None) -> Any:
    path = tmp_path / "keys.toml"
    path.write_text(f'[keys.alice]\nkey = "a"\n{limits}\n[keys.bob]\nkey = "b"\n')
    path.chmod(0o600)
    return serve(engine or FakeEngine(speaks("hi")), test, api_keys_file=str(path))


def test_requests_a_minute_are_limited_with_an_honest_wait(tmp_path: Path) -> None:
    async def ask(api: Api) -> list[Any]:
        return [await api.post(CHAT, HELLO, **ALICE) for _ in range(3)]

    first, second, third = served(tmp_path, "requests_per_minute = 2", ask)
    assert (first.status, second.status, third.status) == (200, 200, 429)
    assert third.error["code"] == "rate_limit_exceeded"
    assert 28 <= int(third.headers["Retry-After"]) <= 30
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert second.headers["x-ratelimit-remaining-requests"] == "0"
    assert "x-ratelimit-limit-tokens" not in first.headers


def test_tokens_of_prompt_and_output_count(tmp_path: Path) -> None:
    async def ask(api: Api) -> list[Any]:
        return [await api.post(CHAT, HELLO, **ALICE) for _ in range(2)]

    first, second = served(tmp_path, "tokens_per_minute = 14", ask)
    usage = first.json["usage"]
    assert usage["total_tokens"] > 14 - usage["prompt_tokens"]
    assert second.status == 429
    assert int(second.headers["x-ratelimit-remaining-tokens"]) < usage["prompt_tokens"]


def test_places_of_a_key_come_free_when_its_client_leaves(tmp_path: Path) -> None:
    engine = FakeEngine(never_ends, delay_s=0.005)

    async def ask(api: Api) -> list[int]:
        running = asyncio.create_task(api.post(CHAT, {**HELLO, "stream": True}, **ALICE))
        await until(lambda: engine.streams)
        refused = await api.post(CHAT, HELLO, **ALICE)
        other = await api.send("GET", "/v1/models", headers={"Authorization": "Bearer b"})
        running.cancel()
        await until(lambda: not engine.streams)
        key = api.services.access.keys[0]
        await until(lambda: not api.services.access.meter_of(key).num_running)
        return [refused.status, other.status]

    assert served(tmp_path, "max_concurrent_requests = 1", ask, engine) == [429, 200]


def test_model_that_a_key_may_not_use_does_not_exist_for_it(tmp_path: Path) -> None:
    async def ask(api: Api) -> list[Any]:
        return [
            await api.get("/v1/models", **ALICE),
            await api.get("/v1/models/tiny", **ALICE),
            await api.post(CHAT, HELLO, **ALICE),
            await api.post("/tokenize", {"prompt": "a"}, **ALICE),
            await api.get("/v1/models", headers={"Authorization": "Bearer b"}),
        ]

    listed, one, chat, tokenize, other = served(tmp_path, 'models = ["large"]', ask)
    assert listed.json["data"] == []
    assert [reply.status for reply in (one, chat, tokenize)] == [404, 404, 404]
    assert chat.error["code"] == "model_not_found"
    assert [card["id"] for card in other.json["data"]] == ["tiny"]


@pytest.mark.parametrize(("asked", "submitted"), [(None, 5), (9, 9), (1, 5)])
def test_key_sets_priority_and_tenant(tmp_path: Path, asked: int | None, submitted: int) -> None:
    engine = FakeEngine(speaks("hi"))
    body = HELLO if asked is None else {**HELLO, "priority": asked}
    reply = served(tmp_path, "priority = 5", lambda api: api.post(CHAT, body, **ALICE), engine)
    assert reply.status == 200
    assert (engine.submitted[0].priority, engine.submitted[0].tenant) == (submitted, "alice")


def test_without_keys_all_are_one_tenant_and_nothing_is_limited() -> None:
    engine = FakeEngine(speaks("hi"))
    reply = serve(engine, lambda api: api.post(CHAT, HELLO))
    assert engine.submitted[0].tenant == ""
    assert not [name for name in reply.headers if name.lower().startswith("x-ratelimit")]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.12, "120ms"), (8.64, "8.64s"), (360.2, "6m0s"), (0.0, "0ms")]
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert as_duration(seconds) == text
