"""When the head of a request came: the moment that all times of a request count from.

Its body, templating and tokenizing take time too, and whoever waits for a first token waits for
them. Knows no metric.
"""

from __future__ import annotations

from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler

ARRIVED_AT = web.RequestKey("arrived_at", float)  # in seconds of perf_counter


@web.middleware
async def note_arrival(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[ARRIVED_AT] = perf_counter()
    return await handler(request)
