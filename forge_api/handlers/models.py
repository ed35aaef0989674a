"""GET /v1/models and /v1/models/{id}: the one model that is served, to keys that may use it."""

from __future__ import annotations

from aiohttp import web

from forge_api.errors import model_not_found
from forge_api.handlers.bodies import json_reply
from forge_api.middleware.auth import KEY
from forge_api.reply_types import ModelCard, ModelList
from forge_api.services import SERVICES, Services


async def list_models(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    may_use = request[KEY].may_use(services.model.name)
    return json_reply(ModelList(data=[card(services)] if may_use else []))


async def get_model(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    name = request.match_info["name"]
    if name != services.model.name or not request[KEY].may_use(name):
        raise model_not_found(name)
    return json_reply(card(services))


def card(services: Services) -> ModelCard:
    scheduler = services.engine.scheduler
    return ModelCard(
        id=services.model.name,
        created=services.model.created,
        max_model_len=None if scheduler is None else scheduler.max_model_len,
    )
