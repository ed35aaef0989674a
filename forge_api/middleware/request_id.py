"""Every reply carries X-Request-Id: the client's where it is well formed, else a new one."""

from __future__ import annotations

import re
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler

HEADER = "X-Request-Id"
SERVER = "forge"
REQUEST_ID = web.RequestKey("request_id", str)
_WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@web.middleware
async def give_request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[REQUEST_ID] = request_id_of(request)
    return await handler(request)


async def write_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On `on_response_prepare`, since the headers of a stream leave before its handler ends."""
    response.headers[HEADER] = request.get(REQUEST_ID) or request_id_of(request)
    response.headers["Server"] = SERVER  # and not the versions of what it is made of


def request_id_of(request: web.Request) -> str:
    asked = request.headers.get(HEADER, "")
    return asked if _WELL_FORMED.match(asked) else secrets.token_hex(16)
