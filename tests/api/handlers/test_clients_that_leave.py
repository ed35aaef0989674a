"""A client that goes away, or does not read, costs nothing for long."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.api.fakes import HELLO, Api, FakeEngine, never_ends, serve, until

CHAT = "/v1/chat/completions"
HUGE = {"max_tokens": 900, "temperature": 0}


async def open_request(api: Api, body: dict) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    payload = json.dumps(HELLO | body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port, limit=1024)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(payload), payload)
    )
    return reader, writer


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_is_aborted(stream: bool) -> None:
    engine = FakeEngine(never_ends, delay_s=0.001)

    async def test(api: Api) -> None:
        _, writer = await open_request(api, {"stream": stream})
        await until(lambda: engine.streams)
        writer.close()
        await until(lambda: engine.aborted)

    serve(engine, test)
    assert engine.aborted == [(engine.submitted[0].request_id, None)]
    assert engine.num_open_requests == 0


def test_a_client_that_does_not_read_is_hung_up_on() -> None:
    engine = FakeEngine(never_ends)

    async def test(api: Api) -> float:
        reader, writer = await open_request(api, {"stream": True})
        await until(lambda: engine.streams)
        reader._transport.pause_reading()
        await until(lambda: engine.aborted, 9.0)
        writer.close()
        return api.services.metrics.slow_readers._value.get()

    assert serve(engine, test) >= 1


def test_a_request_that_ends_by_itself_is_not_aborted() -> None:
    engine = FakeEngine(never_ends)

    async def test(api: Api) -> None:
        reply = await api.post(CHAT, HELLO | {"stop": "aaa"})
        assert reply.json["choices"][0]["message"]["content"] == ""

    serve(engine, test)
    assert engine.aborted == [(engine.submitted[0].request_id, 0)]
