"""Reads the body of a POST and answers with JSON; knows nothing of what a body means."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from forge_api.errors import invalid_request
from forge_api.parameters import BodyParser, Parsed
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
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            raw = await request.read()
    except TimeoutError as error:
        raise invalid_request(
            "The body did not arrive in time", code="request_timeout", status=408
        ) from error
    parsed = parser.parse(raw)
    request.app[SERVICES].metrics.ignored(request.path, len(parsed.ignored))
    return parsed


def json_reply(body: Struct) -> web.Response:
    return raw_json_reply(msgspec.json.encode(body))


def raw_json_reply(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=JSON)
