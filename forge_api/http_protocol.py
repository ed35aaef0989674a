"""Connections as aiohttp serves them, but for two things: bytes that are no HTTP request are
answered with OpenAI's error object too, and a connection on which no request comes is closed.

Knows nothing of routes: no handler has seen such a request.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, web
from aiohttp.http import RawRequestMessage
from aiohttp.typedefs import Handler

from forge_api.errors import ApiError, internal_error, invalid_request
from forge_api.middleware.errors import error_reply, from_http
from forge_api.middleware.request_id import HEADER, SERVER

KNOWN_VERSIONS = (HttpVersion10, HttpVersion11)
ASKED_VERSION = web.RequestKey("asked_version", HttpVersion)
FIRST_REQUEST_S = 30.0  # for the headers of a connection's first request

MakeRequest = Callable[..., web.BaseRequest]

logger = logging.getLogger(__name__)


def in_known_version(make_request: MakeRequest) -> MakeRequest:
    """aiohttp answers in the version that was asked, so a request of another one becomes 1.1."""

    def make(message: RawRequestMessage, *rest: Any) -> web.BaseRequest:
        is_known = message.version in KNOWN_VERSIONS
        request = make_request(
            message if is_known else message._replace(version=HttpVersion11), *rest
        )
        request[ASKED_VERSION] = message.version
        return request

    return make


@web.middleware
async def keep_connection(request: web.Request, handler: Handler) -> web.StreamResponse:
    if isinstance(request.protocol, HttpProtocol):
        request.protocol.has_a_request()
    return await handler(request)


@web.middleware
async def refuse_other_versions(request: web.Request, handler: Handler) -> web.StreamResponse:
    asked = request[ASKED_VERSION]
    if asked not in KNOWN_VERSIONS:
        raise invalid_request(
            f"HTTP/{asked.major}.{asked.minor} is not spoken here, only HTTP/1.0 and HTTP/1.1",
            code="unsupported_http_version",
        )
    return await handler(request)


async def answer_expectation(request: web.Request) -> web.StreamResponse | None:
    """For a client that waits before it sends its body; aiohttp asks this before any middleware."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        return error_reply(from_http(request, web.HTTPExpectationFailed()))
    if request.version >= HttpVersion11:  # older clients do not know what it means
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what counts is the reply
    return None


class HttpProtocol(web.RequestHandler):
    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(FIRST_REQUEST_S, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.has_a_request()
        super().connection_lost(exc)

    def has_a_request(self) -> None:
        """From here on aiohttp's own keep-alive timeout watches the connection."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """aiohttp refuses by itself what is expected where no route is, before any middleware."""
        if isinstance(request, web.Request) and isinstance(resp, web.HTTPException):
            resp = error_reply(from_http(request, resp))
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The reply to what could not be parsed, or whose handling failed before any middleware."""
        if isinstance(exc, ConnectionError):  # nobody is there to be told, and nothing is amiss
            raise exc
        if status < 500:
            logger.info("bytes that are no HTTP request, from %s", request.remote)
        else:
            logger.error("a request failed outside its handler", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("part of a reply was sent already")
        reply = error_reply(not_http(status))
        reply.headers[HEADER] = secrets.token_hex(16)
        reply.headers["Server"] = SERVER
        reply.force_close()
        return reply


def not_http(status: int) -> ApiError:
    if status >= 500:
        return internal_error()
    return invalid_request("This is not a valid HTTP request", code="invalid_http", status=status)
