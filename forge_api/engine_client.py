"""The API's end of the link to the scheduler: the only module here that knows a socket.

One receive loop hands what arrives to the request it belongs to; a second one watches the
connection, because a scheduler that is gone must end its requests, not leave them waiting.
Knows nothing of JSON, SSE or text.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any, assert_never

import zmq
import zmq.asyncio
from msgspec import Struct

from forge_api.errors import DEFAULT_RETRY_AFTER_S, RetryLater
from forge_api.output_stream import ChoiceKey, OutputStream
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.link_security import ClientSecurity
from forge_common.protocol.api_scheduler import (
    Abort,
    Accepted,
    GetStats,
    Hello,
    KeepAlive,
    Malformed,
    Outputs,
    Rejected,
    SchedulerMessage,
    SchedulerReady,
    SchedulerStats,
    Submit,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.sampling import MAX_CHOICES
from forge_common.transport import REFUSALS, AsyncClientChannel, Undecodable, read_event

ACCEPT_TIMEOUT_S = 30.0
STATS_TIMEOUT_S = 1.0

logger = logging.getLogger(__name__)


class Link(Struct):
    """One submitted request: where its outputs go, and whether the scheduler took it."""

    stream: OutputStream
    answer: asyncio.Future[None]


class EngineClient:
    """`async with EngineClient(endpoint) as engine`; every coroutine belongs to one event loop."""

    def __init__(self, endpoint: str, security: ClientSecurity | None = None) -> None:
        self._context = zmq.asyncio.Context()
        identity = b"api-" + secrets.token_hex(8).encode()
        self._channel: AsyncClientChannel[SchedulerMessage] = AsyncClientChannel(
            self._context, endpoint, SchedulerMessage, identity, security
        )
        self._links: dict[str, Link] = {}
        self._stats_waiter: asyncio.Future[SchedulerStats] | None = None
        self._is_ready = asyncio.Event()
        self._scheduler: SchedulerReady | None = None
        self._group = asyncio.TaskGroup()  # a loop that fails ends the process, it leaves no hang
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> EngineClient:
        await self._group.__aenter__()
        self._tasks = [
            self._group.create_task(self._receive_loop(), name="engine-receive"),
            self._group.create_task(self._watch_connection(), name="engine-watch"),
        ]
        await self._channel.send(Hello(PROTOCOL_VERSION))  # the first handshake may be past
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: Any
    ) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        finally:
            self._channel.close()
            self._context.term()

    @property
    def scheduler(self) -> SchedulerReady | None:
        """What the scheduler said of itself; None while it is away or has no worker yet."""
        return self._scheduler if self._is_ready.is_set() else None

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
            await self._abort(stream.open_request_ids)

    async def abort_choice(self, stream: OutputStream, key: ChoiceKey) -> None:
        """End one choice, say because its text met a stop string."""
        if stream.close_choice(key) and self.scheduler is not None:
            await self._channel.send(Abort(key.request_id, key.choice_index))

    async def stats(self) -> SchedulerStats | None:
        """The scheduler's numbers; None when it does not answer soon."""
        if self.scheduler is None:
            return None
        if self._stats_waiter is None:
            self._stats_waiter = asyncio.get_running_loop().create_future()
            await self._channel.send(GetStats())
        try:
            async with asyncio.timeout(STATS_TIMEOUT_S):
                return await asyncio.shield(self._stats_waiter)
        except TimeoutError:
            self._stats_waiter = None
            return None

    def fail_all(self, error: RequestError) -> None:
        """End every running request with `error`."""
        for link in self._links.values():
            link.stream.fail(error)
            if not link.answer.done():
                link.answer.set_exception(error)

    async def _submit_all(self, submits: Sequence[Submit], stream: OutputStream) -> None:
        if self.scheduler is None:
            raise scheduler_is_away()
        loop = asyncio.get_running_loop()
        answers = []
        for submit in submits:
            answers.append(loop.create_future())
            self._links[submit.request_id] = Link(stream, answers[-1])
            await self._channel.send(submit)
        try:
            async with asyncio.timeout(ACCEPT_TIMEOUT_S):
                await asyncio.gather(*answers)
        except TimeoutError as error:
            raise RequestError(
                "The scheduler does not answer", kind=RequestErrorKind.UNAVAILABLE
            ) from error

    async def _abort(self, request_ids: set[str]) -> None:
        if self.scheduler is not None:
            for request_id in request_ids:
                await self._channel.send(Abort(request_id))

    async def _receive_loop(self) -> None:
        while True:
            message = await self._channel.receive()
            if isinstance(message, Undecodable):
                logger.error("a message of the scheduler cannot be read: %s", message.reason)
            else:
                await self._handle(message)
            # While messages wait, receiving does not suspend: let the handlers have their turn.
            await asyncio.sleep(0)

    async def _handle(self, message: SchedulerMessage) -> None:
        match message:
            case Outputs():
                self._deliver(message)
            case Accepted():
                await self._take_accepted(message)
            case Rejected():
                self._take_rejected(message)
            case SchedulerStats():
                self._take_stats(message)
            case SchedulerReady():
                self._take_ready(message)
            case Malformed():
                logger.error("the scheduler cannot read a message of ours: %s", message.reason)
            case KeepAlive():
                pass  # that it could be sent is all it says
            case _:
                assert_never(message)

    def _deliver(self, message: Outputs) -> None:
        links = self._links
        for output in message.outputs:
            link = links.get(output.request_id)
            if link is not None:
                link.stream.put(output)

    async def _take_accepted(self, message: Accepted) -> None:
        link = self._links.get(message.request_id)
        if link is None:  # its client left, or the scheduler it was meant for is gone
            await self._channel.send(Abort(message.request_id))
        elif not link.answer.done():
            link.answer.set_result(None)

    def _take_rejected(self, message: Rejected) -> None:
        link = self._links.get(message.request_id)
        if link is None:
            return
        for index in range(MAX_CHOICES):
            link.stream.close_choice(ChoiceKey(message.request_id, index))
        if not link.answer.done():
            link.answer.set_exception(error_from(message))

    def _take_stats(self, message: SchedulerStats) -> None:
        if self._stats_waiter is not None and not self._stats_waiter.done():
            self._stats_waiter.set_result(message)
        self._stats_waiter = None

    def _take_ready(self, message: SchedulerReady) -> None:
        if message.protocol_version != PROTOCOL_VERSION:
            logger.error("the scheduler speaks protocol version %d", message.protocol_version)
            return
        if self._scheduler is not None and self._scheduler.epoch != message.epoch:
            self.fail_all(scheduler_is_away())
        self._scheduler = message
        self._is_ready.set()

    async def _watch_connection(self) -> None:
        while True:
            event = read_event(await self._channel.monitor.recv_multipart())
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                await self._channel.send(Hello(PROTOCOL_VERSION))
            elif event & REFUSALS:
                logger.error("the scheduler refuses this process: is its key in clients/ there?")
            else:
                logger.warning("the connection to the scheduler is lost")
                self._is_ready.clear()
                self.fail_all(scheduler_is_away())


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
