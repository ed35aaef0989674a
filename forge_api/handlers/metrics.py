"""GET /metrics, in Prometheus's text format."""

from __future__ import annotations

import os

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from forge_api.scrape import EngineNumbers, Scrape, ScrapeOptions
from forge_api.services import SERVICES

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


async def scrape(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    engine = services.engine
    numbers = EngineNumbers(engine.scheduler, await engine.stats(), engine.num_scheduler_restarts)
    options = ScrapeOptions(
        services.model.name,
        services.http.metrics_compat == "vllm",
        os.environ.get(MULTIPROCESS_VARIABLE),
    )
    body = Scrape(services.metrics, numbers, options).text()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
