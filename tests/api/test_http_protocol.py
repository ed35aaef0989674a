"""Connections on which nothing, or no HTTP, comes."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.fakes import HELLO, Api, FakeEngine, Reply, serve, speaks


@pytest.mark.parametrize("beginning", [b"", b"POST /v1/completions HTTP/1.1\r\nHost: "])
def test_a_connection_without_a_request_is_closed(
    beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forge_api.http_protocol.FIRST_REQUEST_S", 0.05)

    async def test(api: Api) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
        writer.write(beginning)
        answer = await asyncio.wait_for(reader.read(), 5.0)
        writer.close()
        return answer

    assert serve(FakeEngine(speaks("hi")), test) == b""


def test_a_request_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forge_api.http_protocol.FIRST_REQUEST_S", 0.05)

    async def test(api: Api) -> Reply:
        return await api.post("/v1/chat/completions", HELLO | {"stream": True})

    reply = serve(FakeEngine(speaks("hello world"), delay_s=0.1), test)
    assert reply.joined() == "hello world"
