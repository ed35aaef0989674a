"""Reads the body of a POST and answers with JSON; knows nothing of what a body means."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from forge_api.body_budget import HeldBody
from forge_api.errors import invalid_request
from forge_api.parameters import BodyParser, Parsed
from forge_api.route_label import route_of
from forge_api.services import SERVICES

BodyT = TypeVar("BodyT", bound=Struct)
JSON = "application/json"
BODY_TIMEOUT_S = 60.0


async def read_body(request: web.Request, parser: BodyParser[BodyT]) -> Parsed[BodyT]:
    """Raises ApiError or RequestError for a body that is not one of this kind."""
    if request.content_type != JSON:
        raise invalid_request(
            f"The body must be {JSON}, not {request.content_type}",
            code="unsupported_media_type",
            status=415,
        )
    services = request.app[SERVICES]
    with services.bodies.body() as body:
        await receive(request, body)
        parsed = parser.parse(body.raw)
    services.metrics.ignored(route_of(request), len(parsed.ignored))
    return parsed


async def receive(request: web.Request, body: HeldBody) -> None:
    """aiohttp's own `read` copies a body, and keeps it for as long as its request runs."""
    check_size(request, request.content_length or 0)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                check_size(request, len(body.raw) + len(chunk))
                body.add(chunk)
    except TimeoutError as error:
        raise invalid_request(
            "The body did not arrive in time", code="request_timeout", status=408
        ) from error


def check_size(request: web.Request, num_bytes: int) -> None:
    if num_bytes > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size, num_bytes)


def json_reply(body: Struct) -> web.Response:
    return raw_json_reply(msgspec.json.encode(body))


def raw_json_reply(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=JSON)
