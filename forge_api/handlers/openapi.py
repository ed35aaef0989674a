"""GET /openapi.json: what the routes take and give."""

from __future__ import annotations

import msgspec
from aiohttp import web

from forge_api.handlers.bodies import raw_json_reply
from forge_api.openapi import document
from forge_api.operations import OPERATIONS, PAGE_OPERATIONS
from forge_api.services import SERVICES


async def openapi(request: web.Request) -> web.Response:
    page = PAGE_OPERATIONS if request.app[SERVICES].http.web_page else ()
    return raw_json_reply(msgspec.json.encode(document(OPERATIONS + page)))
