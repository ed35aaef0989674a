"""GET /openapi.json: what the routes take and give."""

from __future__ import annotations

import msgspec
from aiohttp import web

from forge_api.handlers.bodies import raw_json_reply
from forge_api.openapi import document
from forge_api.operations import OPERATIONS


async def openapi(_request: web.Request) -> web.Response:
    return raw_json_reply(msgspec.json.encode(document(OPERATIONS)))
