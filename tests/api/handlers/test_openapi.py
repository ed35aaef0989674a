"""GET /openapi.json: what is served, to whom, and at what cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forge_api.handlers import openapi
from forge_api.openapi import Operation, document
from tests.api.fakes import Api, FakeEngine, Reply, serve, speaks


async def fetch_twice(api: Api) -> list[Reply]:
    return [await api.get("/openapi.json") for _ in range(2)]


def test_it_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    openapi.encoded.cache_clear()
    made = []

    def counted(operations: tuple[Operation, ...]) -> dict[str, Any]:
        made.append(operations)
        return document(operations)

    monkeypatch.setattr("forge_api.handlers.openapi.document", counted)
    first, second = serve(FakeEngine(speaks("hi")), fetch_twice)
    assert first.body == second.body
    assert len(made) == 1


@pytest.mark.parametrize("web_page", [True, False])
def test_it_speaks_of_the_page_where_there_is_one(web_page: bool) -> None:
    reply, _ = serve(FakeEngine(speaks("hi")), fetch_twice, web_page=web_page)
    assert ("/" in json.loads(reply.body)["paths"]) == web_page
