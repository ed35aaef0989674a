"""Probes: alive, ready, and what the whole looks like.

    /livez            200 while this process serves
    /readyz, /health  200 while a request could be run now, else 503 with the reason
    /forge/v1/health  the numbers behind it, always with a 200; busy is never unhealthy

A worker that does not come to the end of a step is busy until the scheduler gives it up; from then
on it is lost, and /readyz is a 503 that says so. A probe never goes through the work queue.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Literal

import msgspec
from aiohttp import web
from msgspec import Struct

from forge_api.handlers.bodies import JSON, json_reply
from forge_api.services import SERVICES, Services
from forge_common.protocol.api_scheduler import SchedulerReady, SchedulerStats, WorkerLoss
from forge_common.protocol.message import PROTOCOL_VERSION


class Probe(Struct, frozen=True):
    status: Literal["ok", "unavailable"]
    reason: str | None = None


class Versions(Struct, frozen=True):
    forge: str
    protocol: int


class WorkerHealth(Struct, frozen=True):
    """`awaited`: none is there, or it loads; `ready`: it has nothing to do; `busy`: it computes.

    `busy_s` is the time since the last step was sent; `loss` says how the last worker was lost,
    also when another one has taken its place, and `restarts` how often that was, by kind.
    """

    state: Literal["awaited", "ready", "busy"]
    busy_s: float | None
    uptime_s: float | None
    loss: str | None
    restarts: dict[WorkerLoss, int]


class GrammarHealth(Struct, frozen=True):
    """Of this API process: grammars that compile or wait to, and the processes that do so."""

    num_compiling: int
    num_idle_processes: int
    num_busy_processes: int
    num_deaths: int


class EngineHealth(Struct, frozen=True):
    """Ages in seconds; null where there is nothing to be old."""

    epoch: int | None
    uptime_s: float
    worker: WorkerHealth
    is_worker_ready: bool
    worker_loss: str | None
    num_worker_restarts: int
    last_step_age_s: float | None
    oldest_waiting_age_s: float | None
    num_waiting: int
    num_running: int
    num_blocks: int
    num_free_blocks: int
    kv_cache_usage: float  # share of the blocks that are in use


class Health(Struct, frozen=True, kw_only=True):
    """`engine` is null while the scheduler does not answer."""

    status: Literal["ok", "unavailable"]
    reason: str | None
    model: str
    is_draining: bool
    uptime_s: float  # of this API process, as are the next two
    num_open_requests: int
    num_scheduler_restarts: int
    grammars: GrammarHealth
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
    return json_reply(health_of(services, await services.engine.stats()))


def health_of(services: Services, stats: SchedulerStats | None) -> Health:
    reason = why_not_ready(services, stats)
    return Health(
        status="ok" if reason is None else "unavailable",
        reason=reason,
        model=services.model.name,
        is_draining=services.lifecycle.is_draining,
        uptime_s=services.lifecycle.uptime_s,
        num_open_requests=services.engine.num_open_requests,
        num_scheduler_restarts=services.engine.num_scheduler_restarts,
        grammars=GrammarHealth(services.grammars.num_compiling, *services.grammars.compiler_state),
        engine=None if stats is None else engine_health(services.engine.scheduler, stats),
        versions=Versions(version("forge-server"), PROTOCOL_VERSION),
    )


def engine_health(scheduler: SchedulerReady | None, stats: SchedulerStats) -> EngineHealth:
    used_blocks = stats.num_blocks - stats.num_free_blocks
    return EngineHealth(
        epoch=None if scheduler is None else scheduler.epoch,
        uptime_s=stats.uptime_s,
        worker=worker_health(stats),
        is_worker_ready=stats.is_worker_ready,
        worker_loss=stats.worker_loss,
        num_worker_restarts=sum(stats.worker_restarts_total.values()),
        last_step_age_s=stats.last_step_age_s,
        oldest_waiting_age_s=stats.oldest_waiting_age_s,
        num_waiting=stats.num_waiting,
        num_running=stats.num_running,
        num_blocks=stats.num_blocks,
        num_free_blocks=stats.num_free_blocks,
        kv_cache_usage=used_blocks / (stats.num_blocks or 1),
    )


def worker_health(stats: SchedulerStats) -> WorkerHealth:
    is_busy = stats.is_worker_ready and stats.last_step_age_s is not None
    return WorkerHealth(
        state="busy" if is_busy else "ready" if stats.is_worker_ready else "awaited",
        busy_s=stats.last_step_age_s if is_busy else None,
        uptime_s=stats.worker_uptime_s,
        loss=stats.worker_loss,
        restarts=stats.worker_restarts_total,
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
