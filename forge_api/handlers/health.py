"""Probes: alive, ready, and what the whole looks like.

    /livez            200 while this process serves
    /readyz, /health  200 while a request could be run now, else 503 with the reason
    /forge/v1/health  the numbers behind it; busy is never unhealthy

A probe never goes through the work queue.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Literal

import msgspec
from aiohttp import web
from msgspec import Struct

from forge_api.handlers.bodies import JSON, json_reply
from forge_api.services import SERVICES, Services
from forge_common.protocol.api_scheduler import SchedulerStats
from forge_common.protocol.message import PROTOCOL_VERSION


class Probe(Struct, frozen=True):
    status: Literal["ok", "unavailable"]
    reason: str | None = None


class Versions(Struct, frozen=True):
    forge: str
    protocol: int


class EngineHealth(Struct, frozen=True):
    """Ages in seconds; null where there is nothing to be old.

    `worker_loss` says how the last worker was lost, also when another one has taken its place.
    """

    is_worker_ready: bool
    worker_loss: str | None
    num_worker_restarts: int
    last_step_age_s: float | None
    oldest_waiting_age_s: float | None
    num_waiting: int
    num_running: int
    num_blocks: int
    num_free_blocks: int


class Health(Struct, frozen=True, kw_only=True):
    """`engine` is null while the scheduler does not answer."""

    status: Literal["ok", "unavailable"]
    reason: str | None
    model: str
    is_draining: bool
    num_open_requests: int  # of this API process
    engine: EngineHealth | None
    versions: Versions


async def livez(_request: web.Request) -> web.Response:
    return json_reply(Probe("ok"))


async def readyz(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    reason = why_not_ready(services, await services.engine.stats())
    if reason is None:
        return json_reply(Probe("ok"))
    body = msgspec.json.encode(Probe("unavailable", reason))
    return web.Response(status=503, body=body, content_type=JSON)


async def health(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    stats = await services.engine.stats()
    reason = why_not_ready(services, stats)
    return json_reply(
        Health(
            status="ok" if reason is None else "unavailable",
            reason=reason,
            model=services.model.name,
            is_draining=services.lifecycle.is_draining,
            num_open_requests=services.engine.num_open_requests,
            engine=None if stats is None else engine_health(stats),
            versions=Versions(version("forge-server"), PROTOCOL_VERSION),
        )
    )


def engine_health(stats: SchedulerStats) -> EngineHealth:
    return EngineHealth(
        stats.is_worker_ready,
        stats.worker_loss,
        sum(stats.worker_restarts_total.values()),
        stats.last_step_age_s,
        stats.oldest_waiting_age_s,
        stats.num_waiting,
        stats.num_running,
        stats.num_blocks,
        stats.num_free_blocks,
    )


def why_not_ready(services: Services, stats: SchedulerStats | None) -> str | None:
    if services.lifecycle.is_draining:
        return "the server is shutting down"
    if services.engine.scheduler is None:
        return "the scheduler is not connected, or has no worker yet"
    if stats is None:
        return "the scheduler does not answer"
    if stats.is_worker_ready:
        return None
    return f"another worker is awaited: {stats.worker_loss or 'there is none yet'}"
