"""Bearer keys: on every route but the probes and the page's files, unknown paths included."""

from __future__ import annotations

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.errors import invalid_request
from forge_api.services import SERVICES

PROBES = frozenset({"/livez", "/readyz", "/health"})
PAGE = frozenset({"/", "/web/{name}"})  # what it asks of the API carries a key


@web.middleware
async def require_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    keys = request.app[SERVICES].http.api_key
    if keys and not is_public(request) and not is_known(request, keys):
        raise invalid_request(
            "Give a valid API key: Authorization: Bearer KEY", code="invalid_api_key", status=401
        )
    return await handler(request)


def is_public(request: web.Request) -> bool:
    """Decided on the route that was found, so that no spelling of a path gets around it."""
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical in PROBES | PAGE


def is_known(request: web.Request, keys: tuple[str, ...]) -> bool:
    """Compares with every key in full, so that the time taken tells nothing."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    candidate = given.strip().encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(candidate, key.encode()) for key in keys]
    return scheme.lower() == "bearer" and any(matches)
