"""How a request ended: the status of its reply, also where it got none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

CLIENT_GONE = 499  # nginx's number for it; nobody is there to receive it
SERVER_ERROR = 500


async def reply_of(
    handler: Handler, request: web.Request, note: Callable[[int], None]
) -> web.StreamResponse:
    """The handler's reply; `note` is told its status, however the request came to its end."""
    status = SERVER_ERROR
    try:
        response = await handler(request)
        status = response.status
        return response
    except (asyncio.CancelledError, ConnectionError):
        status = CLIENT_GONE
        raise
    finally:
        note(status)
