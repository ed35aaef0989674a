"""The application: routes, and what every request passes through, in order.

Knows which handler answers what; knows no socket, no signal and no configuration file.
"""

from __future__ import annotations

from aiohttp import web

from forge_api.handlers import chat, completions, health, metrics, models, tokenize
from forge_api.http_protocol import keep_connection
from forge_api.middleware.access_log import log_access
from forge_api.middleware.auth import require_key
from forge_api.middleware.encoding import refuse_compressed
from forge_api.middleware.errors import reply_with_errors
from forge_api.middleware.request_id import give_request_id, write_headers
from forge_api.services import SERVICES, Services

# Outermost first: everything inside `reply_with_errors` may raise.
PIPELINE = (
    keep_connection,
    give_request_id,
    log_access,
    reply_with_errors,
    require_key,
    refuse_compressed,
)

ROUTES = (
    web.post("/v1/chat/completions", chat.chat_completions),
    web.post("/v1/completions", completions.completions),
    web.get("/v1/models", models.list_models),
    web.get("/v1/models/{name:.+}", models.get_model),
    web.post("/tokenize", tokenize.tokenize),
    web.post("/detokenize", tokenize.detokenize),
    web.get("/livez", health.livez),
    web.get("/readyz", health.readyz),
    web.get("/health", health.readyz),
    web.get("/forge/v1/health", health.health),
    web.get("/metrics", metrics.scrape),
)


def build_app(services: Services) -> web.Application:
    app = web.Application(middlewares=PIPELINE, client_max_size=services.http.max_body_bytes)
    app[SERVICES] = services
    app.on_response_prepare.append(write_headers)
    app.add_routes(ROUTES)
    return app
