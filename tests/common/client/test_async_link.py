"""One channel a connection: what belongs to a lost one neither comes nor goes any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from forge_common.client.async_link import AsyncLink
from forge_common.protocol.api_scheduler import Abort, ClientMessage, GetStats, Hello, KeepAlive
from forge_common.transport import ServerChannel

TIMEOUT_S = 20.0


class Heard:
    """What the link told."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.num_lost = 0
        self.error: Exception | None = None

    async def on_message(self, message: Any) -> None:
        if self.error is not None:
            raise self.error
        self.messages.append(message)

    def on_lost(self) -> None:
        self.num_lost += 1

    def on_refused(self) -> None:
        raise AssertionError("nobody refuses")


class Server:
    def __init__(self, context: Any, directory: Path) -> None:
        directory.chmod(0o700)
        self.channel: ServerChannel[Any] = ServerChannel(
            context, f"ipc://{directory}/s", ClientMessage
        )
        self.endpoint = self.channel.endpoint

    async def next(self) -> Any:
        """Who said what."""
        async with asyncio.timeout(TIMEOUT_S):
            while (envelope := self.channel.receive()) is None:
                await asyncio.sleep(0.002)
        return envelope

    def close(self) -> None:
        self.channel.close()


@pytest.fixture
def context() -> Iterator[Any]:
    with zmq.Context() as context:
        yield context


Talk = Callable[[AsyncLink, Heard, Server], Awaitable[None]]


def run(context: Any, directory: Path, talk: Talk) -> None:
    async def body() -> None:
        server, heard = Server(context, directory), Heard()
        link = AsyncLink(server.endpoint, "tester", None, heard)
        running = asyncio.create_task(link.run())
        try:
            await talk(link, heard, server)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            link.close()
            server.close()

    asyncio.run(asyncio.wait_for(body(), 2 * TIMEOUT_S))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.002)


def test_each_connection_is_greeted_once_under_a_name_of_its_own(
    context: Any, tmp_path: Path
) -> None:
    async def talk(link: AsyncLink, heard: Heard, server: Server) -> None:
        first, hello = await server.next()
        assert isinstance(hello, Hello)
        server.close()
        await until(lambda: heard.num_lost == 1)
        second_server = Server(context, tmp_path)
        second, hello = await second_server.next()
        assert isinstance(hello, Hello)
        assert first != second
        assert first.startswith(b"tester-")
        assert second.startswith(b"tester-")
        await link.send(GetStats())
        assert (await second_server.next()).message == GetStats()
        second_server.close()

    run(context, tmp_path, talk)


def test_what_was_sent_to_one_that_is_gone_does_not_reach_the_next(
    context: Any, tmp_path: Path
) -> None:
    async def talk(link: AsyncLink, heard: Heard, server: Server) -> None:
        await server.next()
        server.close()
        await link.send(Abort("old"), Abort("old"))  # before it is noticed, or while it is away
        await until(lambda: heard.num_lost == 1)
        await link.send(Abort("old"))
        second_server = Server(context, tmp_path)
        assert isinstance((await second_server.next()).message, Hello)
        await link.send(Abort("new"))
        assert (await second_server.next()).message == Abort("new")
        second_server.close()

    run(context, tmp_path, talk)


def test_what_is_said_to_an_old_name_is_not_heard(context: Any, tmp_path: Path) -> None:
    async def talk(link: AsyncLink, heard: Heard, server: Server) -> None:
        old, _ = await server.next()
        server.channel.send(old, KeepAlive())
        await until(lambda: len(heard.messages) == 1)
        link.renew()
        new, _ = await server.next()
        assert heard.num_lost == 1
        server.channel.send(new, KeepAlive())
        await until(lambda: len(heard.messages) == 2)
        assert old != new

    run(context, tmp_path, talk)


def test_listener_that_fails_ends_the_link(context: Any, tmp_path: Path) -> None:
    async def body() -> None:
        server, heard = Server(context, tmp_path), Heard()
        heard.error = ValueError("what?")
        link = AsyncLink(server.endpoint, "tester", None, heard)
        running = asyncio.create_task(link.run())
        try:
            name, _ = await server.next()
            server.channel.send(name, KeepAlive())
            with pytest.raises(ValueError, match="what"):
                await running
        finally:
            link.close()
            server.close()

    asyncio.run(asyncio.wait_for(body(), TIMEOUT_S))
