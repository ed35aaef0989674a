"""Connections as aiohttp serves them, but for two things: bytes that are no HTTP request are
answered with OpenAI's error object too, and a connection on which no request comes is closed.

Knows nothing of routes: no handler has seen such a request.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler

from forge_api.errors import ApiError, internal_error, invalid_request
from forge_api.middleware.errors import error_reply
from forge_api.middleware.request_id import HEADER, SERVER

FIRST_REQUEST_S = 30.0  # for the headers of a connection's first request

logger = logging.getLogger(__name__)


@web.middleware
async def keep_connection(request: web.Request, handler: Handler) -> web.StreamResponse:
    if isinstance(request.protocol, HttpProtocol):
        request.protocol.has_a_request()
    return await handler(request)


async def answer_expectation(request: web.Request) -> web.StreamResponse | None:
    """For a client that waits before it sends its body; aiohttp asks this before any middleware."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        return error_reply(
            invalid_request(
                "Of what a client may expect, only 100-continue is known",
                code="expectation_failed",
                status=417,
            )
        )
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

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The reply to what could not be parsed, or whose handling failed before any middleware."""
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
