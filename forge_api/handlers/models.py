"""GET /v1/models and /v1/models/{id}: the one model that is served."""

from __future__ import annotations

from aiohttp import web

from forge_api.errors import model_not_found
from forge_api.handlers.bodies import json_reply
from forge_api.reply_types import ModelCard, ModelList
from forge_api.services import SERVICES, Services


async def list_models(request: web.Request) -> web.Response:
    return json_reply(ModelList(data=[card(request.app[SERVICES])]))


async def get_model(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    name = request.match_info["name"]
    if name != services.model.name:
        raise model_not_found(name)
    return json_reply(card(services))


def card(services: Services) -> ModelCard:
    scheduler = services.engine.scheduler
    return ModelCard(
        id=services.model.name,
        created=services.model.created,
        max_model_len=None if scheduler is None else scheduler.max_model_len,
    )
