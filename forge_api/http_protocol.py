"""Connections as aiohttp serves them, but for one thing: bytes that are no HTTP request are
answered with OpenAI's error object too, and are no error in the log.

Knows nothing of routes: no handler has seen such a request.
"""

from __future__ import annotations

import logging
import secrets

from aiohttp import web

from forge_api.errors import ApiError, internal_error, invalid_request
from forge_api.middleware.errors import error_reply
from forge_api.middleware.request_id import HEADER

logger = logging.getLogger(__name__)


class HttpProtocol(web.RequestHandler):
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
        reply.force_close()
        return reply


def not_http(status: int) -> ApiError:
    if status >= 500:
        return internal_error()
    return invalid_request("This is not a valid HTTP request", code="invalid_http", status=status)
