"""Connections on which nothing, or no HTTP, comes."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientConnectionResetError

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


async def answer_to(api: Api, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 5.0)
    writer.close()
    return answer


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/3.0"])
def test_other_versions_of_http_are_refused_in_one_that_is_known(version: bytes) -> None:
    request = b"GET /livez " + version + b"\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = serve(FakeEngine(speaks("hi")), lambda api: answer_to(api, request))
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b'{"error":{' in answer


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_a_known_version_is_answered_in_the_same(version: bytes) -> None:
    request = b"GET /livez " + version + b"\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = serve(FakeEngine(speaks("hi")), lambda api: answer_to(api, request))
    assert answer.startswith(version + b" 200 ")


def test_a_request_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forge_api.http_protocol.FIRST_REQUEST_S", 0.05)

    async def test(api: Api) -> Reply:
        return await api.post("/v1/chat/completions", HELLO | {"stream": True})

    reply = serve(FakeEngine(speaks("hello world"), delay_s=0.1), test)
    assert reply.joined() == "hello world"


def test_a_client_that_is_gone_while_it_is_written_to_is_no_fault(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write_to_nobody(*_: object) -> None:
        raise ClientConnectionResetError("Cannot write to closing transport")

    monkeypatch.setattr("forge_api.handlers.generate.StreamWriter._write_events", write_to_nobody)

    async def test(api: Api) -> bytes:
        body = b'{"prompt": "hi", "stream": true}'
        head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        return await answer_to(api, head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    serve(FakeEngine(speaks("hi")), test)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
