"""Counts every reply by method, route and status."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.middleware.access_log import CLIENT_GONE
from forge_api.route_label import route_of
from forge_api.services import SERVICES


@web.middleware
async def count_replies(request: web.Request, handler: Handler) -> web.StreamResponse:
    status = 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except (asyncio.CancelledError, ConnectionError):
        status = CLIENT_GONE
        raise
    finally:
        request.app[SERVICES].metrics.replied(request.method, route_of(request), status)
