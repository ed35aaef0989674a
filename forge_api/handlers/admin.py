"""What only an admin key may do: drain the server, and see what each key has used.

    POST /forge/v1/admin/drain   the whole deployment ends as after SIGTERM
    GET  /forge/v1/admin/keys    names, limits and usage; never a secret

Knows nothing of how either is done.
"""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from forge_api.access.api_key import ApiKey, KeyLimits
from forge_api.access.meter import KeyMeter
from forge_api.handlers.bodies import json_reply
from forge_api.services import SERVICES


class Draining(Struct, frozen=True):
    status: str = "draining"


class KeyUsage(Struct, frozen=True, kw_only=True):
    """Counts are of this API process, since the key was first read."""

    name: str
    is_admin: bool
    priority: int | None
    models: list[str] | None
    limits: KeyLimits
    num_running: int
    num_requests: int
    num_tokens: int


class KeyList(Struct, frozen=True):
    keys: list[KeyUsage]


async def drain(request: web.Request) -> web.Response:
    request.app[SERVICES].lifecycle.ask_to_stop()
    return json_reply(Draining())


async def list_keys(request: web.Request) -> web.Response:
    access = request.app[SERVICES].access
    return json_reply(KeyList([usage_of(key, access.meter_of(key)) for key in access.keys]))


def usage_of(key: ApiKey, meter: KeyMeter) -> KeyUsage:
    return KeyUsage(
        name=key.name,
        is_admin=key.is_admin,
        priority=key.priority,
        models=None if key.models is None else sorted(key.models),
        limits=key.limits,
        num_running=meter.num_running,
        num_requests=meter.num_requests,
        num_tokens=meter.num_tokens,
    )
