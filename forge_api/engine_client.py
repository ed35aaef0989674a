"""The API's end of the link to the scheduler: what is asked of it, and whom its answers are for.

A scheduler that is lost comes back as another one: what the last one left unfinished is submitted
to it again, and goes on. Until then requests wait, old ones and new ones, for a time. Knows nothing
of JSON, SSE or text, nor of sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, assert_never

from forge_api.inquiry import Inquiry
from forge_api.open_requests import OpenRequests
from forge_api.output_stream import ChoiceKey, OutputStream
from forge_common.client.async_link import AsyncLink
from forge_common.client.patience import Patience
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.link_security import ClientSecurity
from forge_common.protocol.api_scheduler import (
    Abort,
    Accepted,
    GetStats,
    GetStatus,
    KeepAlive,
    Malformed,
    Outputs,
    Rejected,
    SchedulerMessage,
    SchedulerReady,
    SchedulerStats,
    SchedulerStatus,
    Submit,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.transport import Undecodable

ACCEPT_TIMEOUT_S = 30.0
STATS_TIMEOUT_S = 1.0
AWAY_TIMEOUT_S = 60.0  # for another scheduler in the place of one that was lost
MAX_REQUESTS_WHILE_AWAY = 1024

logger = logging.getLogger(__name__)


class EngineClient:
    """`async with EngineClient(endpoint) as engine`; every coroutine belongs to one event loop."""

    def __init__(self, endpoint: str, security: ClientSecurity | None = None) -> None:
        self._link = AsyncLink(endpoint, "api", security, self)
        self._requests = OpenRequests()
        self._stats: Inquiry[SchedulerStats] = Inquiry(GetStats(), STATS_TIMEOUT_S)
        self._status: Inquiry[SchedulerStatus] = Inquiry(GetStatus(), STATS_TIMEOUT_S)
        self._is_ready = asyncio.Event()
        self._scheduler: SchedulerReady | None = None
        self._patience = Patience(AWAY_TIMEOUT_S, self._give_up)
        self.num_scheduler_restarts = 0  # as far as this process saw them
        self._group = asyncio.TaskGroup()  # a loop that fails ends the process, it leaves no hang
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> EngineClient:
        await self._group.__aenter__()
        self._task = self._group.create_task(self._link.run(), name="engine-link")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: Any
    ) -> None:
        if self._task is not None:
            self._task.cancel()
        self._patience.stop()
        try:
            await self._group.__aexit__(kind, error, trace)
        finally:
            self._link.close()

    @property
    def scheduler(self) -> SchedulerReady | None:
        """What the scheduler said of itself; None while it is away or has no worker yet."""
        return self._scheduler if self._is_ready.is_set() else None

    @property
    def expected_scheduler(self) -> SchedulerReady | None:
        """The same, also while it is away and another one is awaited in its place."""
        return self._scheduler if self._patience.is_tried else self.scheduler

    @property
    def num_open_requests(self) -> int:
        return len(self._requests)

    async def wait_until_ready(self) -> SchedulerReady:
        while True:
            await self._is_ready.wait()
            if (scheduler := self.scheduler) is not None:
                return scheduler

    @contextlib.asynccontextmanager
    async def submit(self, submits: Sequence[Submit]) -> AsyncIterator[OutputStream]:
        """Outputs of all `submits`, once the scheduler has taken every one of them.

        Raises RequestError as the scheduler refuses one. Leaving the block aborts what still runs.
        """
        stream = OutputStream(submits)
        try:
            await self._submit_all(submits, stream)
            yield stream
        finally:
            self._requests.close(submits)
            await self._abort(stream.open_request_ids)
            await self._send_due()

    async def abort_choice(self, stream: OutputStream, key: ChoiceKey) -> None:
        """End one choice, say because its text met a stop string."""
        if stream.close_choice(key):
            self._requests.end_choice(key)
            if self.scheduler is not None:
                await self._link.send(Abort(key.request_id, key.choice_index))

    async def stats(self) -> SchedulerStats | None:
        """The scheduler's numbers; None when it does not answer soon."""
        return None if self.scheduler is None else await self._stats.ask(self._link.send)

    async def status(self) -> SchedulerStatus | None:
        """Its sequences and blocks; None when it does not answer soon."""
        return None if self.scheduler is None else await self._status.ask(self._link.send)

    def fail_all(self, error: RequestError) -> None:
        """End every running request with `error`."""
        self._requests.fail_all(error)

    async def on_message(self, message: SchedulerMessage | Undecodable) -> None:
        match message:
            case Outputs():
                self._requests.deliver(message.outputs)
                await self._send_due()
            case Accepted():
                await self._take_accepted(message)
            case Rejected():
                self._requests.reject(message)
            case SchedulerStats():
                self._stats.answer(message)
            case SchedulerStatus():
                self._status.answer(message)
            case SchedulerReady():
                await self._take_ready(message)
            case Malformed() | Undecodable():
                logger.error("scheduler and API do not understand each other: %s", message.reason)
            case KeepAlive():
                pass  # that it could be sent is all it says
            case _:
                assert_never(message)

    def on_lost(self) -> None:
        """Unless another scheduler comes soon, all that wait for it are told."""
        if self._is_ready.is_set():
            logger.warning("the connection to the scheduler is lost")
        self._is_ready.clear()
        self._stats.forget()
        self._status.forget()
        self._requests.lose_link()
        if self._scheduler is not None:
            self._patience.start()

    def on_refused(self) -> None:
        logger.error("the scheduler refuses this process: is its key in clients/ there?")

    def _give_up(self) -> None:
        self._scheduler = None
        self.fail_all(scheduler_is_away())

    async def _submit_all(self, submits: Sequence[Submit], stream: OutputStream) -> None:
        self._require_room(len(submits))
        answers = self._requests.open(submits, stream)
        await self._send_due()
        try:
            async with asyncio.timeout(ACCEPT_TIMEOUT_S):
                await asyncio.gather(*answers)
        except TimeoutError as error:
            raise RequestError(
                "The scheduler does not answer", kind=RequestErrorKind.UNAVAILABLE
            ) from error

    def _require_room(self, num_submits: int) -> None:
        """Raises RequestError where nobody is there to be asked, nor is soon expected to be."""
        if self.scheduler is not None:
            return
        num_waiting = self._requests.num_unfinished + num_submits
        if not self._patience.is_tried or num_waiting > MAX_REQUESTS_WHILE_AWAY:
            raise scheduler_is_away()

    async def _send_due(self) -> None:
        if self._requests.has_due and self.scheduler is not None:
            await self._link.send(*self._requests.take_due())

    async def _abort(self, request_ids: set[str]) -> None:
        if self.scheduler is not None:
            await self._link.send(*map(Abort, request_ids))

    async def _take_accepted(self, message: Accepted) -> None:
        if not self._requests.accept(message.request_id):
            await self._link.send(Abort(message.request_id))

    def _is_another(self, ready: SchedulerReady) -> bool:
        return self._scheduler is not None and self._scheduler.epoch != ready.epoch

    async def _take_ready(self, message: SchedulerReady) -> None:
        if message.protocol_version != PROTOCOL_VERSION:
            logger.error("the scheduler speaks protocol version %d", message.protocol_version)
            return
        if self.scheduler is not None and self.scheduler.epoch != message.epoch:
            self._link.renew()  # whose loss of the last one is not told yet
            return
        self._patience.stop()
        self._requests.meet(message.epoch)
        self.num_scheduler_restarts += self._is_another(message)
        self._scheduler = message
        self._is_ready.set()
        await self._send_due()


def scheduler_is_away() -> RequestError:
    return RequestError(
        "The engine is not available at the moment", kind=RequestErrorKind.UNAVAILABLE
    )
