"""AsyncForgeClient: `ForgeClient` for asyncio. All it does is await; the rest is RequestBook's."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Self

import zmq
import zmq.asyncio

from forge_common.client.blocking import DEFAULT_TIMEOUT_S, FAREWELL_LINGER_MS
from forge_common.client.client_model import ClientModel
from forge_common.client.request_book import Output, RequestBook
from forge_common.curve_keys import client_security
from forge_common.errors import LinkError
from forge_common.link_security import ClientSecurity
from forge_common.protocol.api_scheduler import (
    Abort,
    GetStats,
    Hello,
    SchedulerMessage,
    SchedulerReady,
    SchedulerStats,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.sampling import SamplingParams
from forge_common.transport import AsyncClientChannel, loss_told_by


class AsyncForgeClient:
    """`async with await AsyncForgeClient.connect(endpoint) as forge`; for one event loop."""

    def __init__(
        self,
        endpoint: str,
        model: ClientModel | None,
        security: ClientSecurity | None,
        timeout_s: float,
    ) -> None:
        self._book = RequestBook(model)
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._context = zmq.asyncio.Context()
        identity = b"client-" + secrets.token_hex(8).encode()
        self._channel: AsyncClientChannel[SchedulerMessage] = AsyncClientChannel(
            self._context, endpoint, SchedulerMessage, identity, security
        )
        self._news = asyncio.Event()  # replaced at every news, so that nobody misses one
        self._tasks = [
            asyncio.create_task(self._receive_loop(), name="forge-client-receive"),
            asyncio.create_task(self._watch_connection(), name="forge-client-watch"),
        ]

    @classmethod
    async def connect(
        cls,
        endpoint: str,
        *,
        model_path: str | Path | None = None,
        curve_keys: str | Path | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Self:
        """As `ForgeClient.connect`."""
        model = None if model_path is None else ClientModel.load(Path(model_path))
        client = cls(endpoint, model, client_security(curve_keys, "client"), timeout_s)
        try:
            await client._channel.send(Hello(PROTOCOL_VERSION))
            await client._wait_until(lambda: client._book.scheduler is not None, timeout_s)
        except BaseException:
            await client.close()
            raise
        return client

    @property
    def scheduler(self) -> SchedulerReady | None:
        return self._book.scheduler

    async def generate(
        self,
        prompt: str | Sequence[int],
        sampling: SamplingParams | None = None,
        *,
        priority: int = 0,
        request_id: str | None = None,
    ) -> AsyncIterator[Output]:
        """As `ForgeClient.generate`."""
        inbox = self._book.open(prompt, sampling, priority, request_id)
        try:
            await self._channel.send(inbox.submit)
            await self._wait_until(lambda: inbox.is_answered, self._timeout_s)
            while not inbox.is_finished:
                await self._wait_until(lambda: inbox.has_news)
                for output in inbox.take():
                    yield output
        finally:
            abort = self._book.close(inbox)
            if abort is not None and not self._channel.socket.closed:
                await self._channel.send(abort)

    async def abort(self, request_id: str, choice_index: int | None = None) -> None:
        self._book.check_link()
        await self._channel.send(Abort(request_id, choice_index))

    async def stats(self) -> SchedulerStats:
        self._book.check_link()
        await self._channel.send(GetStats())
        await self._wait_until(lambda: self._book.has_stats, self._timeout_s)
        return self._book.take_stats()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._channel.socket.closed:
            return
        self._channel.close(FAREWELL_LINGER_MS)
        self._context.term()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def _wait_until(self, is_met: Callable[[], bool], timeout_s: float | None = None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not is_met():
                    self._book.check_link()
                    await self._news.wait()
        except TimeoutError as error:
            raise LinkError(
                f"the scheduler at {self._endpoint} did not answer within {timeout_s:g} s"
            ) from error

    async def _receive_loop(self) -> None:
        while True:
            self._book.take(await self._channel.receive())
            self._tell()

    async def _watch_connection(self) -> None:
        while True:
            loss = loss_told_by(await self._channel.monitor.recv_multipart())
            if loss is not None:
                self._book.lose(loss)
                self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
