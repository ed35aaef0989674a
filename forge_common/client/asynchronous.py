"""AsyncForgeClient: `ForgeClient` for asyncio. All it does is await; the rest is RequestBook's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NoReturn, Self

from forge_common.client.async_link import AsyncLink
from forge_common.client.blocking import (
    AWAY_TIMEOUT_S,
    DEFAULT_TIMEOUT_S,
    FAREWELL_LINGER_MS,
    Timeouts,
)
from forge_common.client.client_model import ClientModel
from forge_common.client.patience import Patience
from forge_common.client.request_book import Output, RequestBook
from forge_common.curve_keys import client_security
from forge_common.errors import LinkError
from forge_common.link_security import ClientSecurity
from forge_common.protocol.api_scheduler import (
    Abort,
    GetStats,
    SchedulerMessage,
    SchedulerReady,
    SchedulerStats,
)
from forge_common.sampling import SamplingParams
from forge_common.transport import Undecodable


class AsyncForgeClient:
    """`async with await AsyncForgeClient.connect(endpoint) as forge`; for one event loop."""

    def __init__(
        self,
        endpoint: str,
        model: ClientModel | None,
        security: ClientSecurity | None,
        timeouts: Timeouts,
    ) -> None:
        self._book = RequestBook(model)
        self._endpoint = endpoint
        self._timeout_s, away_timeout_s = timeouts
        self._patience = Patience(away_timeout_s, self._give_up)
        self._link = AsyncLink(endpoint, "client", security, self)
        self._news = asyncio.Event()  # replaced at every news, so that nobody misses one
        self._task = asyncio.create_task(self._link.run(), name="forge-client-link")
        self._task.add_done_callback(self._on_link_ended)

    @classmethod
    async def connect(
        cls,
        endpoint: str,
        *,
        model_path: str | Path | None = None,
        curve_keys: str | Path | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        away_timeout_s: float = AWAY_TIMEOUT_S,
    ) -> Self:
        """As `ForgeClient.connect`."""
        model = None if model_path is None else ClientModel.load(Path(model_path))
        timeouts = Timeouts(timeout_s, away_timeout_s)
        client = cls(endpoint, model, client_security(curve_keys, "client"), timeouts)
        try:
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
            await self._send_due()
            await self._wait_until(lambda: inbox.is_answered, self._timeout_s)
            while not inbox.is_finished:
                await self._wait_until(lambda: inbox.has_news)
                for output in inbox.take():
                    yield output
        finally:
            await self._say(self._book.close(inbox))
            await self._send_due()

    async def abort(self, request_id: str, choice_index: int | None = None) -> None:
        self._book.check_link()
        await self._say(self._book.abort(request_id, choice_index))
        self._tell()

    async def stats(self) -> SchedulerStats:
        self._book.check_link()
        await self._link.send(GetStats())
        await self._wait_until(lambda: self._book.has_stats, self._timeout_s)
        return self._book.take_stats()

    async def close(self) -> None:
        self._task.cancel()
        self._patience.stop()
        await asyncio.gather(self._task, return_exceptions=True)
        self._link.close(FAREWELL_LINGER_MS)

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

    async def on_message(self, message: SchedulerMessage | Undecodable) -> None:
        self._book.take(message)
        if self._book.is_link_stale:
            self._link.renew()
        elif self._book.scheduler is not None:
            self._patience.stop()
            await self._send_due()
        self._tell()

    def on_lost(self) -> None:
        self._book.lose_link()
        self._tell()
        self._patience.start()

    def on_refused(self) -> None:
        self._book.lose(
            LinkError("the connection is refused: the keys of its two ends do not match")
        )
        self._tell()

    def _on_link_ended(self, task: asyncio.Task[NoReturn]) -> None:
        """Nobody listens any more: whoever waits would wait for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._book.lose(LinkError(f"what the scheduler sent cannot be used: {error!r}"))
            self._tell()

    def _give_up(self) -> None:
        self._book.lose(LinkError(f"the scheduler at {self._endpoint} is lost"))
        self._tell()

    async def _send_due(self) -> None:
        await self._link.send(*self._book.take_due())

    async def _say(self, abort: Abort | None) -> None:
        if abort is not None:
            await self._link.send(abort)

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
