"""Serves an application until it is told to stop, then lets what runs come to its end.

    SIGTERM, SIGINT   not ready at once; new requests get a 503; running ones go on to their end or
                      to the deadline, when they get an error as their last event
    a second one      now
    SIGHUP            the files of keys and certificates are read again, where any are named

Knows sockets and signals; knows nothing of routes.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from forge_api.app import build_app
from forge_api.http_protocol import HttpProtocol, in_known_version
from forge_api.services import Services
from forge_api.shortage import MAX_ACCEPTED_AT_A_TIME, Shortage, lengthen_backlog
from forge_common.config import HttpSettings
from forge_common.errors import ConfigError, RequestError, RequestErrorKind
from forge_common.tls import reload_files, scheme_of, server_context

KEEPALIVE_S = 75.0
MAX_HEADER_BYTES = 16 * 1024
MAX_HEADERS = 100
LAST_WORDS_S = 2.0  # for the final events of streams that the deadline ended
DRAIN_POLL_S = 0.02
HANDSHAKE_S = 10.0  # of TLS, before a connection counts as one

logger = logging.getLogger(__name__)


class Server:
    """A bound socket; `async with` it. `url` says where."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._runner = web.AppRunner(
            build_app(services), handler_cancellation=True, shutdown_timeout=LAST_WORDS_S
        )
        self._listener: asyncio.Server | None = None
        self._tls = server_context(services.http)

    async def __aenter__(self) -> Server:
        await self._runner.setup()
        if (manager := self._runner.server) is not None:
            manager.request_factory = in_known_version(manager.request_factory)
        http = self._services.http
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._make_protocol,
                http.host,
                http.port,
                backlog=MAX_ACCEPTED_AT_A_TIME,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else HANDSHAKE_S,
                ssl_shutdown_timeout=None if self._tls is None else LAST_WORDS_S,
                reuse_port=http.api_workers > 1,
            )
        except OSError as error:
            await self._runner.cleanup()
            raise cannot_listen(http, error) from error
        lengthen_backlog(self._listener.sockets)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()

    def _make_protocol(self) -> HttpProtocol:
        manager = self._runner.server
        if manager is None:
            raise ConnectionError("the server is closed")
        return HttpProtocol(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE_S,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )

    @property
    def port(self) -> int:
        if self._listener is None:
            raise ConfigError("the server does not listen yet")
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        host = self._services.http.host
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme_of(self._services.http)}://{shown}:{self.port}"

    def reload(self) -> None:
        """Keys and certificates as their files are now; what cannot be used changes nothing."""
        self._services.access.reload()
        if self._tls is None:
            return
        try:
            reload_files(self._tls, self._services.http)
        except ConfigError as error:
            logger.error("the certificate stays as it was: %s", error)
        else:
            logger.info("new connections get the certificate as its files are now")

    async def drain(self, timeout_s: float) -> None:
        """Refuse what is new, wait for what runs, then end what is left with an error."""
        self._services.lifecycle.is_draining = True
        engine = self._services.engine
        logger.info("draining %d requests", engine.num_open_requests)
        if not await becomes(lambda: engine.num_open_requests == 0, timeout_s):
            logger.warning("ending %d requests at the deadline", engine.num_open_requests)
            engine.fail_all(
                RequestError("The server is shutting down", kind=RequestErrorKind.UNAVAILABLE)
            )
            await becomes(lambda: engine.num_open_requests == 0, LAST_WORDS_S)


class StopSignals:
    """SIGTERM and SIGINT as events of the running loop."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._take)

    def _take(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


async def serve_until_stopped(
    services: Services,
    drain_timeout_s: float,
    on_listening: Callable[[str], None],
    on_ready: Callable[[str], None],
) -> None:
    """Listens at once, so that probes get an answer; ready is when a request would be run.

    Both are told the URL.
    """

    async def announce(url: str) -> None:
        await services.engine.wait_until_ready()
        on_ready(url)

    stop = StopSignals()
    asyncio.get_running_loop().set_exception_handler(Shortage())
    async with Server(services) as server:
        if services.http.has_files_to_reload:  # else SIGHUP ends the process, as it always did
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.reload)
        on_listening(server.url)
        announcement = asyncio.create_task(announce(server.url))
        await stop.first.wait()
        announcement.cancel()
        await first_of(server.drain(drain_timeout_s), stop.second.wait())


async def first_of(*coroutines: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def becomes(condition: Callable[[], bool], timeout_s: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while not condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(DRAIN_POLL_S)
    return True


def cannot_listen(http: HttpSettings, error: OSError) -> ConfigError:
    return ConfigError(f"cannot listen on {http.host} port {http.port}: {error.strerror or error}")
