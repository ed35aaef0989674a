"""GET /forge/v1/status: what a page needs that watches the engine live.

Health, running totals to make rates of, sequences with ids and counts, and the block map. Of what
is asked and said it tells nothing. For dashboards and alerts there is /metrics, which costs less.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from msgspec import Struct

from forge_api.handlers.bodies import json_reply
from forge_api.handlers.health import Health, health_of
from forge_api.services import SERVICES
from forge_common.protocol.api_scheduler import (
    BlockMap,
    SchedulerReady,
    SchedulerStats,
    SchedulerStatus,
    SequencePhase,
    SequenceState,
)


class Limits(Struct, frozen=True):
    max_model_len: int
    block_size: int


class Totals(Struct, frozen=True):
    """Since the scheduler started; each only ever grows."""

    num_steps: int  # that were answered
    step_s: float  # for which the worker had a step
    num_prompt_tokens: int
    num_cached_prompt_tokens: int
    num_output_tokens: int
    num_draft_tokens: int
    num_accepted_tokens: int
    num_preemptions: int
    num_prefix_queries: int  # tokens asked of the prefix cache, and found there
    num_prefix_hits: int
    num_resumed: int
    num_rejected: int
    worker_restarts: dict[str, int]
    finished: dict[str, int]


class SequenceView(Struct, frozen=True):
    """As the scheduler tells it."""

    request_id: str
    choice_index: int
    phase: SequencePhase
    num_prompt_tokens: int
    num_output_tokens: int
    max_num_tokens: int
    num_computed_tokens: int
    num_cached_tokens: int
    num_blocks: int
    age_s: float


class BlockMapView(Struct, frozen=True):
    """As the scheduler tells it: `used` and `cached` of `blocks_seen` in each cell."""

    num_blocks: int
    blocks_per_cell: int
    blocks_seen: int
    used: list[int]
    cached: list[int]


class Status(Struct, frozen=True, kw_only=True):
    """All but `health` is null or empty while the scheduler does not answer."""

    health: Health
    limits: Limits | None
    totals: Totals | None
    sequences: list[SequenceView]
    block_map: BlockMapView | None


async def status(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    engine = services.engine
    stats, scheduled = await asyncio.gather(engine.stats(), engine.status())
    health = health_of(services, stats)
    scheduler = engine.scheduler
    if stats is None or scheduled is None or scheduler is None:
        return json_reply(
            Status(health=health, limits=None, totals=None, sequences=[], block_map=None)
        )
    return json_reply(
        Status(
            health=health,
            limits=limits_of(scheduler),
            totals=totals_of(stats, scheduled),
            sequences=[sequence_view(state) for state in scheduled.sequences],
            block_map=block_map_view(scheduled.block_map),
        )
    )


def limits_of(scheduler: SchedulerReady) -> Limits:
    return Limits(scheduler.max_model_len, scheduler.block_size)


def totals_of(stats: SchedulerStats, scheduled: SchedulerStatus) -> Totals:
    return Totals(
        num_steps=scheduled.steps_answered_total,
        step_s=scheduled.step_s_total,
        num_prompt_tokens=stats.prompt_tokens_total,
        num_cached_prompt_tokens=stats.cached_prompt_tokens_total,
        num_output_tokens=stats.output_tokens_total,
        num_draft_tokens=stats.draft_tokens_total,
        num_accepted_tokens=stats.accepted_tokens_total,
        num_preemptions=stats.preemptions_total,
        num_prefix_queries=stats.prefix_queries_total,
        num_prefix_hits=stats.prefix_hits_total,
        num_resumed=stats.sequences_resumed_total,
        num_rejected=stats.rejected_total,
        worker_restarts={str(loss): num for loss, num in stats.worker_restarts_total.items()},
        finished={str(reason): num for reason, num in stats.finished_total.items()},
    )


def sequence_view(state: SequenceState) -> SequenceView:
    return SequenceView(*(getattr(state, name) for name in SequenceView.__struct_fields__))


def block_map_view(block_map: BlockMap) -> BlockMapView:
    return BlockMapView(*(getattr(block_map, name) for name in BlockMapView.__struct_fields__))
