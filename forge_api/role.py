"""One API process from its settings to its end: loads, connects, serves, drains.

Knows which part needs which; knows no command line and no route.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from aiohttp.typedefs import Middleware

from forge_api.access.access import Access
from forge_api.body_budget import BodyBudget
from forge_api.dialect import dialect_of
from forge_api.engine_client import EngineClient
from forge_api.grammars.grammars import Grammars
from forge_api.metrics import Metrics
from forge_api.middleware.plugins import load_middlewares
from forge_api.served_model import ServedModel
from forge_api.services import Lifecycle, Parsers, Services
from forge_api.serving import serve_until_stopped
from forge_api.tracing.setup import tracer_of
from forge_api.validation import Validator
from forge_common.beats import beating
from forge_common.config import ApiConfig, HttpSettings
from forge_common.curve_keys import client_security
from forge_common.errors import ConfigError
from forge_common.readiness import Readiness
from forge_common.restart_count import num_restarts
from forge_common.tls import server_context

READY_WAIT_S = 1.0  # before it listens: a probe must get an answer soon

logger = logging.getLogger(__name__)


async def run(config: ApiConfig, readiness: Readiness) -> None:
    """Serves nearly from the start: a probe must get an answer while weights load."""
    endpoint = config.links.client_endpoint
    if endpoint is None:
        raise ConfigError("--client-endpoint is needed: where the scheduler meets API processes")
    security = client_security(config.links.curve_keys, "api")

    def announce_listening(url: str) -> None:
        if not readiness.is_supervised:
            logger.info("listening at %s, waiting for the scheduler at %s", url, endpoint)

    def announce_ready(url: str) -> None:
        logger.info("serving %s at %s", model.name, url)
        readiness.ready(url)

    tracer = tracer_of(config.telemetry.otlp_endpoint, os.environ)
    edge = make_edge(config.http)
    model = await asyncio.to_thread(ServedModel.load, config.model)
    edge.metrics.restarts.set(num_restarts(os.environ))
    grammars = Grammars(edge.metrics.grammars)
    grammars.start()
    try:
        async with beating(readiness), EngineClient(endpoint, security) as engine:
            await wait_a_moment_for(engine)
            services = build_services(config.http, engine, model, grammars, edge)
            services = msgspec.structs.replace(services, tracer=tracer)
            services.lifecycle.stop = stopper(readiness)
            drain_timeout_s = config.launch.drain_timeout_s
            await serve_until_stopped(services, drain_timeout_s, announce_listening, announce_ready)
    finally:
        grammars.close()
        model.template.close()
        if tracer is not None:
            await asyncio.to_thread(tracer.close)


async def wait_a_moment_for(engine: EngineClient) -> None:
    """Who is started again among others that serve need not refuse what is sent to it first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_WAIT_S):
            await engine.wait_until_ready()


class Edge(NamedTuple):
    """What needs no model: who comes in, past whom, and who is counted."""

    metrics: Metrics
    access: Access
    middlewares: tuple[Middleware, ...]


def make_edge(http: HttpSettings) -> Edge:
    """Raises ConfigError where a file or a module that the settings name cannot be used."""
    server_context(http)
    metrics = Metrics()
    return Edge(metrics, Access(http, metrics.keys), load_middlewares(http.middleware))


def stopper(readiness: Readiness) -> Callable[[], None]:
    """Ends the deployment in good order: its launcher does, where there is one."""

    def stop() -> None:
        os.kill(os.getppid() if readiness.is_supervised else os.getpid(), signal.SIGTERM)

    return stop


def build_services(
    http: HttpSettings,
    engine: EngineClient,
    model: ServedModel,
    grammars: Grammars,
    edge: Edge,
) -> Services:
    return Services(
        http=http,
        engine=engine,
        model=model,
        grammars=grammars,
        validator=Validator(model, dialect_of(http, model), grammars),
        parsers=Parsers(is_strict=http.strict_params),
        metrics=edge.metrics,
        bodies=BodyBudget(http.max_body_bytes, edge.metrics.body_bytes),
        lifecycle=Lifecycle(),
        access=edge.access,
        middlewares=edge.middlewares,
    )
