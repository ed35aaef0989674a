"""One line a request: id, method, path, status, time.

Probes, scrapes and what the page asks for are logged at debug level: they say nothing new every
few seconds.
"""

from __future__ import annotations

import logging
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.access.rights import PUBLIC
from forge_api.middleware.arrival import ARRIVED_AT
from forge_api.middleware.reply_status import reply_of
from forge_api.middleware.request_id import REQUEST_ID
from forge_api.route_label import route_of
from forge_api.tracing.trace import trace_id_of
from forge_common.log import fields_of

QUIET = PUBLIC | {"/metrics", "/forge/v1/status"}

logger = logging.getLogger(__name__)


@web.middleware
async def log_access(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await reply_of(
        handler,
        request,
        lambda status: _record(request, status, perf_counter() - request[ARRIVED_AT]),
    )


def _record(request: web.Request, status: int, seconds: float) -> None:
    route = route_of(request)
    logger.log(
        logging.DEBUG if route in QUIET else logging.INFO,
        "%s %s %s %d %.1f ms",
        request[REQUEST_ID],
        request.method,
        printable(request.path),
        status,
        seconds * 1000,
        extra=fields_of(
            request_id=request[REQUEST_ID],
            trace_id=trace_id_of(request),
            method=request.method,
            path=request.path,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 3),
        ),
    )


def printable(path: str) -> str:
    """A path may hold the end of a line, and what looks like the next one; here it is escaped."""
    if path.isprintable():
        return path
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)
