"""GET /openapi.json: what the routes take and give."""

from __future__ import annotations

from functools import cache

import msgspec
from aiohttp import web

from forge_api.handlers.bodies import raw_json_reply
from forge_api.openapi import document
from forge_api.operations import OPERATIONS, PAGE_OPERATIONS
from forge_api.services import SERVICES


async def openapi(request: web.Request) -> web.Response:
    return raw_json_reply(encoded(has_page=request.app[SERVICES].http.web_page))


@cache
def encoded(*, has_page: bool) -> bytes:
    """Made once: every stream would wait for it, each time."""
    page = PAGE_OPERATIONS if has_page else ()
    return msgspec.json.encode(document(OPERATIONS + page))
