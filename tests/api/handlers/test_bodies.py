"""Bodies on their way: how much of them an API process takes, and from whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from forge_api.body_budget import SMALL_BODY_BYTES
from tests.api.fakes import HELLO, Api, FakeEngine, Reply, serve, speaks, until

CHAT = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


async def first_line(api: Api, head: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    writer.write(head)
    line = await asyncio.wait_for(reader.readline(), 2.0)
    writer.close()
    return line


def held_bytes(api: Api) -> float:
    return api.services.metrics.body_bytes._value.get()


def test_a_length_beyond_the_bound_is_refused_before_anything_is_read() -> None:
    head = HEAD + b"Content-Length: 2049\r\n\r\n"
    line = serve(FakeEngine(speaks("hi")), lambda api: first_line(api, head), max_body_bytes=2048)
    assert line.startswith(b"HTTP/1.1 413")


def test_a_body_of_unstated_length_is_refused_once_it_is_too_large() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(1024)

    async def test(api: Api) -> Reply:
        return await api.send("POST", CHAT, data=chunks(), headers=JSON)

    reply = serve(FakeEngine(speaks("hi")), test, max_body_bytes=2048)
    assert reply.status == 413
    assert reply.error["code"] == "request_too_large"


def test_large_bodies_beyond_the_budget_are_told_to_come_later() -> None:
    async def test(api: Api) -> tuple[Reply, Reply]:
        api.services.bodies.hold(8 * 2**18)
        large = await api.send("POST", CHAT, data=b" " * (SMALL_BODY_BYTES + 1), headers=JSON)
        return large, await api.post(CHAT, HELLO)

    refused, small = serve(FakeEngine(speaks("hi")), test, max_body_bytes=2**18)
    assert refused.status == 429
    assert refused.error["code"] == "too_many_bodies"
    assert refused.headers["Retry-After"] == "1"
    assert small.status == 200


def test_a_client_that_leaves_gives_its_bytes_back() -> None:
    async def test(api: Api) -> float:
        _, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
        writer.write(HEAD + b"Content-Length: 2000\r\n\r\n" + bytes(1000))
        await until(lambda: held_bytes(api) == 1000)
        writer.close()
        await until(lambda: held_bytes(api) == 0)
        return held_bytes(api)

    assert serve(FakeEngine(speaks("hi")), test) == 0


def test_bytes_are_free_while_the_request_runs() -> None:
    engine = FakeEngine(speaks("hi"), delay_s=0.05)

    async def test(api: Api) -> float:
        reply = asyncio.create_task(api.post(CHAT, HELLO))
        await until(lambda: engine.streams)
        held = held_bytes(api)
        await reply
        return held

    assert serve(engine, test) == 0
