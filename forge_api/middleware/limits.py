"""What a key may use: the model, requests and tokens a minute, requests at a time.

Every reply to a limited key says what is left, in OpenAI's headers. Tokens are taken further in,
where they are known (`handlers.generate`).
"""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.access.meter import KeyMeter
from forge_api.access.rights import METERED
from forge_api.access.token_bucket import TokenBucket
from forge_api.errors import model_not_found
from forge_api.middleware.auth import KEY
from forge_api.route_label import route_of
from forge_api.services import SERVICES

METER = web.RequestKey("meter", KeyMeter)
HEADERS = tuple(
    f"x-ratelimit-{what}-{unit}"
    for unit in ("requests", "tokens")
    for what in ("limit", "remaining", "reset")
)


@web.middleware
async def limit_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    if route_of(request) not in METERED:
        return await handler(request)
    services = request.app[SERVICES]
    key = request[KEY]
    if not key.may_use(services.model.name):
        raise model_not_found(services.model.name)
    request[METER] = meter = services.access.meter_of(key)
    with meter.request():
        return await handler(request)


async def write_limits(request: web.Request, response: web.StreamResponse) -> None:
    """On `on_response_prepare`: the state of the key as the reply begins."""
    meter = request.get(METER)
    if meter is not None:
        response.headers.update(_headers_of("requests", meter.requests))
        response.headers.update(_headers_of("tokens", meter.tokens))


def _headers_of(unit: str, bucket: TokenBucket | None) -> Iterator[tuple[str, str]]:
    if bucket is not None:
        yield f"x-ratelimit-limit-{unit}", f"{int(bucket.per_minute)}"
        yield f"x-ratelimit-remaining-{unit}", f"{max(int(bucket.level), 0)}"
        yield f"x-ratelimit-reset-{unit}", as_duration(bucket.wait_s(bucket.per_minute))


def as_duration(seconds: float) -> str:
    """As OpenAI writes it: 120ms, 8.64s, 6m0s."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s"
