"""Server: one OpenAI-compatible server over HTTP. The only module of the bench that opens sockets.

Whatever goes wrong with a request becomes a named failure in its record, and is never raised.
Nothing is retried: a client would have seen it.
"""

from __future__ import annotations

import asyncio
import resource
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

    def __init__(self, session: ClientSession, url: str, timeout_s: float) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s

    async def first_model(self) -> str:
        """The name of the model that is served. Raises ForgeError with what is wrong."""
        url = f"{self._url}/models"
        try:
            async with asyncio.timeout(self._timeout_s), self._session.get(url) as response:
                if response.status != 200:
                    raise ForgeError(f"{url} says {response.status}: try --api-key or --model")
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
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(self._url + path, data=request.body) as response,
            ):
                await _check(response)
                await _read(response, watch, clock)
        except RequestFailed as error:
            return watch.failed(error.failure, clock.now_s())
        except (aiohttp.ClientError, OSError, TimeoutError, StreamFault) as error:
            return watch.failed(_named(error).failure, clock.now_s())
        return watch.ended(clock.now_s())


def allow_many_connections() -> None:
    """Each request under way holds a file descriptor; the soft limit is often 1,024."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


@asynccontextmanager
async def connected(
    url: str, headers: Mapping[str, str], timeout_s: float
) -> AsyncIterator[Server]:
    """As many connections as requests are under way: a limit would hold arrivals back."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
    no_timeout = aiohttp.ClientTimeout(total=None, sock_connect=None)
    all_headers = {"Content-Type": "application/json", **headers}
    async with ClientSession(
        connector=connector, headers=all_headers, timeout=no_timeout
    ) as session:
        yield Server(session, url, timeout_s)


async def _check(response: ClientResponse) -> None:
    if response.status != 200:
        detail = (await response.content.read(MAX_ERROR_BYTES)).decode(errors="replace")
        retry_after_s = _retry_after_s(response.headers.get("Retry-After"))
        raise RequestFailed(f"HTTP {response.status}", detail, retry_after_s)
    if response.content_type != EVENT_STREAM:
        raise RequestFailed("not a stream", f"Content-Type: {response.content_type}")


async def _read(response: ClientResponse, watch: ReplyWatch, clock: Clock) -> None:
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


def _named(error: Exception) -> RequestFailed:
    """The first kind that fits, the narrow ones first."""
    kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (TimeoutError, "timeout"),
        (StreamFault, "broken stream"),
        ((ssl.SSLError, aiohttp.ClientSSLError), "TLS"),
        (aiohttp.ClientConnectorError, "connection refused"),
        (aiohttp.ClientPayloadError, "broken stream"),
        ((aiohttp.ServerDisconnectedError, ConnectionError), "connection lost"),
    )
    kind = next((name for types, name in kinds if isinstance(error, types)), "client error")
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(
        error.os_error, ConnectionRefusedError
    ):
        kind = "no connection"
    return RequestFailed(kind, str(error))
