"""Server: one OpenAI-compatible server over HTTP. The only module of the bench that opens sockets.

Whatever goes wrong with a request becomes a named failure in its record, and is never raised.
Nothing is retried: a client would have seen it. Only where the server had closed a connection that
was kept, and so said nothing at all, the request goes out again on a new one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from aiohttp import ClientResponse, ClientSession
from msgspec import Struct

from forge_common.bench.clock import Clock
from forge_common.bench.event_stream import EventReader, StreamFault
from forge_common.bench.records import Observation
from forge_common.bench.reply_watch import ReplyWatch, RequestFailed
from forge_common.bench.request_body import PreparedRequest
from forge_common.errors import ForgeError

# Servers often close an idle connection after five seconds: better not to send into that moment.
KEEPALIVE_S = 4.0
MAX_ERROR_BYTES = 4096
EVENT_STREAM = "text/event-stream"


class Model(Struct, frozen=True):
    id: str


class ModelList(Struct, frozen=True):
    data: list[Model]


class Server:
    """`url` as clients write it, with `/v1`; `timeout_s` bounds a request from end to end."""

    def __init__(
        self, session: ClientSession, new_session: ClientSession, url: str, timeout_s: float
    ) -> None:
        self._session = session
        self._new_session = new_session  # of connections that nobody used before
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s

    async def first_model(self) -> str:
        """The name of the model that is served. Raises ForgeError with what is wrong."""
        url = f"{self._url}/models"
        try:
            async with asyncio.timeout(self._timeout_s), self._session.get(url) as response:
                if response.status != 200:
                    raise ForgeError(f"{url} says {response.status}: {_remedy(response.status)}")
                return msgspec.json.decode(await response.read(), type=ModelList).data[0].id
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ForgeError(f"{url}: {_named(error).failure.kind}: {error}") from error
        except (msgspec.DecodeError, IndexError) as error:
            raise ForgeError(f"{url} lists no models: give one with --model") from error

    async def ask(
        self, path: str, request: PreparedRequest, intended_s: float, clock: Clock
    ) -> Observation:
        """Send now what was to be sent at `intended_s`, and watch the reply to its end."""
        watch = ReplyWatch(request.index, intended_s, clock.now_s())
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._exchange(self._url + path, request, watch, clock)
        except RequestFailed as error:
            return watch.failed(error.failure, clock.now_s())
        except (aiohttp.ClientError, OSError, TimeoutError, StreamFault) as error:
            return watch.failed(_named(error).failure, clock.now_s())
        return watch.ended(clock.now_s())

    async def _exchange(
        self, url: str, request: PreparedRequest, watch: ReplyWatch, clock: Clock
    ) -> None:
        try:
            async with self._session.post(url, data=request.body) as response:
                watch.begun()
                return await _read(response, watch, clock)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if watch.has_begun:
                raise
        watch.resent()
        async with self._new_session.post(url, data=request.body) as response:
            await _read(response, watch, clock)


@asynccontextmanager
async def connected(
    url: str, headers: Mapping[str, str], timeout_s: float
) -> AsyncIterator[Server]:
    """As many connections as requests are under way: a limit would hold arrivals back."""
    kept = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
    new = aiohttp.TCPConnector(limit=0, force_close=True)
    async with _session(kept, headers) as session, _session(new, headers) as new_session:
        yield Server(session, new_session, url, timeout_s)


def _session(connector: aiohttp.TCPConnector, headers: Mapping[str, str]) -> ClientSession:
    all_headers = {"Content-Type": "application/json", **headers}
    no_timeout = aiohttp.ClientTimeout(total=None, sock_connect=None)
    return ClientSession(connector=connector, headers=all_headers, timeout=no_timeout)


async def _check(response: ClientResponse) -> None:
    if response.status != 200:
        detail = (await response.content.read(MAX_ERROR_BYTES)).decode(errors="replace")
        retry_after_s = _retry_after_s(response.headers.get("Retry-After"))
        raise RequestFailed(f"HTTP {response.status}", detail, retry_after_s)
    if response.content_type != EVENT_STREAM:
        raise RequestFailed("not a stream", f"Content-Type: {response.content_type}")


async def _read(response: ClientResponse, watch: ReplyWatch, clock: Clock) -> None:
    await _check(response)
    reader = EventReader()
    async for data in response.content.iter_any():
        now_s = clock.now_s()
        for event in reader.feed(data):
            watch.see(event, now_s)
    for event in reader.finish():
        watch.see(event, clock.now_s())


def _retry_after_s(text: str | None) -> float | None:
    """Of the form in seconds; the other form, a date, says nothing here."""
    return float(text) if text and text.isascii() and text.isdigit() else None


def _remedy(status: int) -> str:
    if status == 404:
        return "--url ends with /v1 as a rule; where no models are listed, give --model"
    return "try --api-key or --model"


def _named(error: Exception) -> RequestFailed:
    """The first kind that fits, the narrow ones first."""
    kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (TimeoutError, "timeout"),
        (StreamFault, "broken stream"),
        ((ssl.SSLError, aiohttp.ClientSSLError), "TLS"),
        (aiohttp.ClientConnectorError, "connection refused"),
        (aiohttp.ClientPayloadError, "broken stream"),
        ((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError), "connection lost"),
    )
    kind = next((name for types, name in kinds if isinstance(error, types)), "client error")
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(
        error.os_error, ConnectionRefusedError
    ):
        kind = "no connection"
    return RequestFailed(kind, str(error))
