"""Whatever a handler raises → OpenAI's error object with its status."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.errors import (
    INVALID_REQUEST,
    ApiError,
    ErrorDetail,
    api_error_from,
    internal_error,
)
from forge_api.handlers.bodies import JSON
from forge_api.middleware.request_id import REQUEST_ID
from forge_api.tracing.trace import trace_id_of
from forge_common.errors import RequestError
from forge_common.log import fields_of

logger = logging.getLogger(__name__)


@web.middleware
async def reply_with_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return error_reply(error)
    except RequestError as error:
        return error_reply(api_error_from(error))
    except web.HTTPException as error:
        return error_reply(from_http(request, error), error.headers.get("Allow"))
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:
        request_id = request[REQUEST_ID]
        known = fields_of(request_id=request_id, trace_id=trace_id_of(request))
        logger.exception("request %s failed", request_id, extra=known)
        return error_reply(internal_error())


def error_reply(error: ApiError, allow: str | None = None) -> web.Response:
    headers = error.headers if allow is None else {**error.headers, "Allow": allow}
    return web.Response(status=error.status, body=error.body, headers=headers, content_type=JSON)


def from_http(request: web.Request, error: web.HTTPException) -> ApiError:
    """What aiohttp itself refuses: unknown paths, methods, bodies that are too large."""
    match error:
        case web.HTTPNotFound():
            message, code = f"There is no {request.method} {request.path}", "not_found"
        case web.HTTPMethodNotAllowed():
            message, code = f"{request.path} does not take {request.method}", "method_not_allowed"
        case web.HTTPRequestEntityTooLarge():
            message, code = "The body is too large", "request_too_large"
        case web.HTTPExpectationFailed():
            message, code = (
                "Of what a client may expect, only 100-continue is known",
                "expectation_failed",
            )
        case _:
            message, code = error.reason, "http_error"
    return ApiError(error.status, ErrorDetail(message, INVALID_REQUEST, None, code))
