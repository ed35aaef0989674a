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

from msgspec import Struct

from forge_api.errors import DEFAULT_RETRY_AFTER_S, RetryLater
from forge_api.inquiry import Inquiry
from forge_api.output_stream import ChoiceKey, OutputStream
from forge_common.client.async_link import AsyncLink
from forge_common.client.unfinished import Unfinished
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
from forge_common.sampling import MAX_CHOICES
from forge_common.transport import Undecodable

ACCEPT_TIMEOUT_S = 30.0
STATS_TIMEOUT_S = 1.0
AWAY_TIMEOUT_S = 60.0  # for another scheduler in the place of one that was lost
MAX_REQUESTS_WHILE_AWAY = 1024
PASSING = frozenset({"shutting_down", "starting"})  # refusals for which the next scheduler is asked

logger = logging.getLogger(__name__)


class Link(Struct):
    """One submitted request: where its outputs go, and whether the scheduler took it."""

    stream: OutputStream
    answer: asyncio.Future[None]

    def fail(self, error: RequestError) -> None:
        self.stream.fail(error)
        if not self.answer.done():
            self.answer.set_exception(error)


class EngineClient:
    """`async with EngineClient(endpoint) as engine`; every coroutine belongs to one event loop."""

    def __init__(self, endpoint: str, security: ClientSecurity | None = None) -> None:
        self._link = AsyncLink(endpoint, "api", security, self)
        self._links: dict[str, Link] = {}
        self._unfinished = Unfinished()
        self._stats: Inquiry[SchedulerStats] = Inquiry(GetStats(), STATS_TIMEOUT_S)
        self._status: Inquiry[SchedulerStatus] = Inquiry(GetStatus(), STATS_TIMEOUT_S)
        self._is_ready = asyncio.Event()
        self._scheduler: SchedulerReady | None = None
        self._patience: asyncio.TimerHandle | None = None
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
        self._stop_patience()
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
        return self._scheduler if self._is_awaited else self.scheduler

    @property
    def num_open_requests(self) -> int:
        return len(self._links)

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
            for submit in submits:
                self._links.pop(submit.request_id, None)
                self._unfinished.close(submit.request_id)
            await self._abort(stream.open_request_ids)
            await self._send_due()

    async def abort_choice(self, stream: OutputStream, key: ChoiceKey) -> None:
        """End one choice, say because its text met a stop string."""
        if stream.close_choice(key):
            self._unfinished.end_choice(key.request_id, key.choice_index)
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
        for request_id, link in self._links.items():
            self._unfinished.close(request_id)
            link.fail(error)

    async def on_message(self, message: SchedulerMessage | Undecodable) -> None:
        match message:
            case Outputs():
                await self._deliver(message)
            case Accepted():
                await self._take_accepted(message)
            case Rejected():
                self._take_rejected(message)
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
        self._unfinished.lose_link()
        if self._patience is None and self._scheduler is not None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(AWAY_TIMEOUT_S, self._lose_patience)

    def on_refused(self) -> None:
        logger.error("the scheduler refuses this process: is its key in clients/ there?")

    @property
    def _is_awaited(self) -> bool:
        return self._patience is not None

    def _lose_patience(self) -> None:
        self._scheduler = None
        self._stop_patience()
        self.fail_all(scheduler_is_away())

    def _stop_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    async def _submit_all(self, submits: Sequence[Submit], stream: OutputStream) -> None:
        self._require_room(len(submits))
        loop = asyncio.get_running_loop()
        answers = []
        for submit in submits:
            answers.append(loop.create_future())
            self._links[submit.request_id] = Link(stream, answers[-1])
            self._unfinished.open(submit)
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
        num_waiting = len(self._unfinished) + num_submits
        if not self._is_awaited or num_waiting > MAX_REQUESTS_WHILE_AWAY:
            raise scheduler_is_away()

    async def _send_due(self) -> None:
        if self._unfinished.has_due and self.scheduler is not None:
            await self._link.send(*self._unfinished.take_due())

    async def _abort(self, request_ids: set[str]) -> None:
        if self.scheduler is not None:
            await self._link.send(*map(Abort, request_ids))

    async def _deliver(self, message: Outputs) -> None:
        links = self._links
        for output in message.outputs:
            link = links.get(output.request_id)
            if link is not None:
                self._unfinished.take(output)
                link.stream.put(output)
        await self._send_due()

    async def _take_accepted(self, message: Accepted) -> None:
        link = self._links.get(message.request_id)
        if link is None:  # its client left
            await self._link.send(Abort(message.request_id))
            return
        self._unfinished.accept(message.request_id)
        if not link.answer.done():
            link.answer.set_result(None)

    def _take_rejected(self, message: Rejected) -> None:
        link = self._links.get(message.request_id)
        if link is None or message.code in PASSING:
            return
        self._unfinished.close(message.request_id)
        link.fail(error_from(message))
        for index in range(MAX_CHOICES):
            link.stream.close_choice(ChoiceKey(message.request_id, index))

    def _is_another(self, ready: SchedulerReady) -> bool:
        return self._scheduler is not None and self._scheduler.epoch != ready.epoch

    async def _take_ready(self, message: SchedulerReady) -> None:
        if message.protocol_version != PROTOCOL_VERSION:
            logger.error("the scheduler speaks protocol version %d", message.protocol_version)
            return
        if self.scheduler is not None and self.scheduler.epoch != message.epoch:
            self._link.renew()  # whose loss of the last one is not told yet
            return
        self._stop_patience()
        for request_id, error in self._unfinished.meet(message.epoch).items():
            self._links[request_id].fail(error)
        self.num_scheduler_restarts += self._is_another(message)
        self._scheduler = message
        self._is_ready.set()
        await self._send_due()


def scheduler_is_away() -> RequestError:
    return RequestError(
        "The engine is not available at the moment", kind=RequestErrorKind.UNAVAILABLE
    )


def error_from(message: Rejected) -> RequestError:
    if message.kind is RequestErrorKind.OVERLOADED:
        return RetryLater(
            message.message,
            code=message.code,
            retry_after_s=message.retry_after_s or DEFAULT_RETRY_AFTER_S,
        )
    return RequestError(message.message, param=message.param, code=message.code, kind=message.kind)
