"""A server that has no descriptor left for another connection, and one that has again."""

from __future__ import annotations

import asyncio
import errno
import logging

import pytest

from forge_api.shortage import REPORTED, SILENCE_S, Shortage, lengthen_backlog

CONTEXT = {"message": REPORTED, "exception": OSError(errno.EMFILE, "Too many open files")}


def test_one_line_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [0.0]
    loop = asyncio.new_event_loop()
    shortage = Shortage(lambda: now_s[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            shortage(loop, CONTEXT)
        now_s[0] = SILENCE_S
        shortage(loop, CONTEXT)
    loop.close()
    assert [record.message for record in caplog.records] == [
        "new connections wait: [Errno 24] Too many open files"
    ] * 2


def test_anything_else_is_reported_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    for _ in range(2):
        Shortage()(loop, {"message": "something else"})
    loop.close()
    assert [record.message for record in caplog.records] == ["something else"] * 2


def test_more_may_wait_than_are_accepted_at_a_time() -> None:
    async def body() -> int:
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", backlog=1)
        lengthen_backlog(server.sockets)
        host, port = server.sockets[0].getsockname()
        loop = asyncio.get_running_loop()
        loop.remove_reader(server.sockets[0].fileno())  # so that nobody accepts
        async with asyncio.timeout(0.9):  # else a SYN is repeated after a second
            pairs = [await asyncio.open_connection(host, port) for _ in range(20)]
        for _, writer in pairs:
            writer.close()
        server.close()
        return len(pairs)

    assert asyncio.run(body()) == 20
