"""AsyncLink: connection after connection to one scheduler, each over a channel of its own.

A channel that has lost its connection is closed, with all that waits in it, before the next is
made, under another name. So nothing that is received was meant for an earlier one, and nothing sent
can reach two schedulers. Knows nothing of what is said but the greeting.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from typing import NoReturn, Protocol

import zmq
import zmq.asyncio
from msgspec import Struct

from forge_common.link_security import ClientSecurity
from forge_common.protocol.api_scheduler import Hello, SchedulerMessage
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.transport import REFUSALS, AsyncClientChannel, Undecodable, read_event

PAUSE_S = 0.05  # so that one who hangs up at once is not called back without end


class Listener(Protocol):
    """Who is told what happens, in the order in which it does."""

    async def on_message(self, message: SchedulerMessage | Undecodable) -> None: ...

    def on_lost(self) -> None:
        """Nothing more comes of what was said until now."""
        ...

    def on_refused(self) -> None:
        """It stays so: libzmq does not try again."""
        ...


class AsyncLink:
    def __init__(
        self, endpoint: str, name: str, security: ClientSecurity | None, listener: Listener
    ) -> None:
        """`name` is what the scheduler sees this end begin its names with."""
        self._endpoint = endpoint
        self._name = name
        self._security = security
        self._listener = listener
        self._context = zmq.asyncio.Context()
        self._lost: asyncio.Future[None] | None = None
        self._channel = self._make_channel()

    async def run(self) -> NoReturn:
        """Raises what the listener raises."""
        while True:
            await self._channel.send(Hello(PROTOCOL_VERSION))
            await self._serve(self._channel)
            self._channel.close()
            self._listener.on_lost()
            await asyncio.sleep(PAUSE_S)
            self._channel = self._make_channel()

    async def send(self, *messages: Struct) -> None:
        """All over the present connection, or not at all where it is lost meanwhile.

        Waits while the scheduler's queue is full: the wait is the caller's backpressure.
        """
        await self._send_over(self._channel, messages)

    def renew(self) -> None:
        """Take the connection for lost."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    def close(self, linger_ms: int = 0) -> None:
        """Once `run` has been cancelled."""
        if not self._context.closed:
            self._channel.close(linger_ms)
            self._context.term()

    def _make_channel(self) -> AsyncClientChannel[SchedulerMessage]:
        identity = f"{self._name}-{secrets.token_hex(8)}".encode()
        return AsyncClientChannel(
            self._context, self._endpoint, SchedulerMessage, identity, self._security
        )

    async def _send_over(
        self, channel: AsyncClientChannel[SchedulerMessage], messages: Iterable[Struct]
    ) -> None:
        for message in messages:
            if channel.socket.closed:
                return
            try:
                await channel.send(message)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling() or not channel.socket.closed:
                    raise  # else only the wait for a queue that is gone was cancelled

    async def _serve(self, channel: AsyncClientChannel[SchedulerMessage]) -> None:
        """Until its connection is lost."""
        self._lost = asyncio.get_running_loop().create_future()
        tasks = [
            asyncio.create_task(self._receive_from(channel), name="link-receive"),
            asyncio.create_task(self._watch(channel), name="link-watch"),
        ]
        try:
            await asyncio.wait((self._lost, *tasks), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _receive_from(self, channel: AsyncClientChannel[SchedulerMessage]) -> NoReturn:
        while True:
            await self._listener.on_message(await channel.receive())
            # While messages wait, receiving does not suspend: let the others have their turn.
            await asyncio.sleep(0)

    async def _watch(self, channel: AsyncClientChannel[SchedulerMessage]) -> None:
        """Returns once the connection is lost; never where it is refused."""
        is_refused = False
        while True:
            event = read_event(await channel.monitor.recv_multipart())
            if event & REFUSALS and not is_refused:
                is_refused = True
                self._listener.on_refused()
            elif event == zmq.EVENT_DISCONNECTED and not is_refused:
                return
