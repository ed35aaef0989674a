"""The route that a request came by, as a label: one of a closed set, whatever clients invent.

Knows no route.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

UNKNOWN: Final = "unknown"


def route_of(request: web.Request) -> str:
    """The route's pattern, as `/v1/models/{name}`; UNKNOWN for paths and methods there are not."""
    resource = request.match_info.route.resource
    return UNKNOWN if resource is None else resource.canonical
