"""Bearer keys: on every route but the public ones, paths that match none included.

What a route takes is decided on what the router matched, never on the path as it was written.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.access.api_key import ApiKey
from forge_api.access.rights import ADMIN, PUBLIC
from forge_api.errors import invalid_request
from forge_api.route_label import route_of
from forge_api.services import SERVICES

KEY = web.RequestKey("key", ApiKey)


@web.middleware
async def require_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    route = route_of(request)
    if route in PUBLIC:
        return await handler(request)
    access = request.app[SERVICES].access
    owner = access.owner_of(request.headers.get("Authorization", ""))
    if owner is None:
        raise invalid_request(
            "Give a valid API key: Authorization: Bearer KEY", code="invalid_api_key", status=401
        )
    if route in ADMIN and not owner.is_admin:
        if not access.has_admin:
            raise web.HTTPNotFound
        raise invalid_request(
            "This takes an admin key", code="insufficient_permissions", status=403
        )
    request[KEY] = owner
    return await handler(request)
