"""GET / and /web/NAME: the built-in page, files that anybody may read.

A page of its own origin, with nothing inline and nothing from elsewhere; its calls of the API
carry the key that whoever looks at it has typed in. The files are read once, when the application
is made. Knows nothing of what they hold.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web
from msgspec import Struct

CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # asked for again each time, and mostly answered by a 304
}


class Asset(Struct, frozen=True):
    body: bytes
    content_type: str
    etag: str


ASSETS = web.AppKey("page_assets", dict[str, Asset])


def read_assets() -> dict[str, Asset]:
    """File name → its content."""
    directory = files("forge_api") / "web"
    kinds = tuple(CONTENT_TYPES)
    return {entry.name: asset(entry) for entry in directory.iterdir() if entry.name.endswith(kinds)}


def asset(file: Traversable) -> Asset:
    body = file.read_bytes()
    suffix = file.name[file.name.rindex(".") :]
    return Asset(body, CONTENT_TYPES[suffix], hashlib.sha256(body).hexdigest()[:32])


async def index(request: web.Request) -> web.Response:
    return send(request, "index.html")


async def file(request: web.Request) -> web.Response:
    return send(request, request.match_info["name"])


def send(request: web.Request, name: str) -> web.Response:
    found = request.app[ASSETS].get(name)
    if found is None:
        raise web.HTTPNotFound
    if is_known(request, found.etag):
        reply = web.Response(status=304, headers=HEADERS)
    else:
        reply = web.Response(
            body=found.body, content_type=found.content_type, charset="utf-8", headers=HEADERS
        )
    reply.etag = found.etag
    return reply


def is_known(request: web.Request, etag: str) -> bool:
    """Whether the client has the file as it is; a proxy may have made its tag a weak one."""
    return any(known.value in (etag, "*") for known in request.if_none_match or ())
