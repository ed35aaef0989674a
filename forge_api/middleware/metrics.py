"""Counts every reply by method, route and status."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.middleware.reply_status import reply_of
from forge_api.route_label import route_of
from forge_api.services import SERVICES


@web.middleware
async def count_replies(request: web.Request, handler: Handler) -> web.StreamResponse:
    metrics = request.app[SERVICES].metrics
    return await reply_of(
        handler, request, lambda status: metrics.replied(request.method, route_of(request), status)
    )
