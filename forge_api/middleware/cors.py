"""CORS: web pages of the origins that `--cors-allow-origin` names may call the API.

Off unless one is named. A preflight is answered before any key is asked for, since browsers send
none with it. Credentials of the browser's own, such as cookies, are never allowed: a key is sent by
the page itself. Knows no route.
"""

from __future__ import annotations

import re

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.middleware import limits, request_id
from forge_api.services import SERVICES

ANY = "*"
MAX_AGE_S = 600
METHODS = "GET, POST, OPTIONS"
EXPOSED = ", ".join((request_id.HEADER, "Retry-After", *limits.HEADERS))
_HEADER_NAMES = re.compile(r"[A-Za-z0-9_, -]{1,2048}\Z")


@web.middleware
async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    is_preflight = (
        request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    )
    if not is_preflight or allowed_origin(request) is None:
        return await handler(request)
    headers = {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Max-Age": str(MAX_AGE_S),
    }
    asked = request.headers.get("Access-Control-Request-Headers", "")
    if _HEADER_NAMES.match(asked):
        headers["Access-Control-Allow-Headers"] = asked
    return web.Response(status=204, headers=headers)


async def write_cors(request: web.Request, response: web.StreamResponse) -> None:
    """On `on_response_prepare`: errors need it too, or the page could not read them."""
    if not request.app[SERVICES].http.cors_allow_origin:
        return
    response.headers.add("Vary", "Origin")
    origin = allowed_origin(request)
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED


def allowed_origin(request: web.Request) -> str | None:
    """As the reply is to name it; None where there is none, or it is a stranger's."""
    allowed = request.app[SERVICES].http.cors_allow_origin
    origin = request.headers.get("Origin")
    if origin is None:
        return None
    if ANY in allowed:
        return ANY
    return origin if origin in allowed else None
