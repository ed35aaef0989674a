"""Bodies come as they are: a compressed one is refused, since a few bytes could unpack to many."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.errors import invalid_request


@web.middleware
async def refuse_compressed(request: web.Request, handler: Handler) -> web.StreamResponse:
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise invalid_request(
            f"Content-Encoding {encoding} is not supported",
            code="unsupported_content_encoding",
            status=415,
        )
    return await handler(request)
