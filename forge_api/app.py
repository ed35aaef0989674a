"""The application: routes, and what every request passes through, in order.

Knows which handler answers what; knows no socket, no signal and no configuration file.
"""

from __future__ import annotations

from functools import partial

from aiohttp import web

from forge_api.handlers import (
    admin,
    chat,
    completions,
    health,
    metrics,
    models,
    openapi,
    page,
    status,
    tokenize,
)
from forge_api.http_protocol import (
    answer_expectation,
    keep_connection,
    refuse_other_versions,
)
from forge_api.middleware.access_log import log_access
from forge_api.middleware.arrival import note_arrival
from forge_api.middleware.auth import require_key
from forge_api.middleware.cors import answer_preflight, write_cors
from forge_api.middleware.deadline import keep_deadline
from forge_api.middleware.encoding import refuse_compressed
from forge_api.middleware.errors import reply_with_errors
from forge_api.middleware.limits import limit_key, write_limits
from forge_api.middleware.metrics import count_replies
from forge_api.middleware.request_id import give_request_id, write_headers
from forge_api.middleware.tracing import trace_request
from forge_api.services import SERVICES, Services

# Outermost first: everything inside `reply_with_errors` may raise. Which routes need no key, and
# which an admin's, stands in `access.rights`. Middlewares of the operator's own come last, so
# they see only what was let in (docs/middleware.md).
PIPELINE = (
    note_arrival,
    keep_connection,
    give_request_id,
    trace_request,
    log_access,
    count_replies,
    reply_with_errors,
    refuse_other_versions,
    answer_preflight,
    require_key,
    limit_key,
    refuse_compressed,
    keep_deadline,
)

get = partial(web.get, expect_handler=answer_expectation)
post = partial(web.post, expect_handler=answer_expectation)

ROUTES = (
    post("/v1/chat/completions", chat.chat_completions),
    post("/v1/completions", completions.completions),
    get("/v1/models", models.list_models),
    get("/v1/models/{name:.+}", models.get_model),
    post("/tokenize", tokenize.tokenize),
    post("/detokenize", tokenize.detokenize),
    get("/livez", health.livez),
    get("/readyz", health.readyz),
    get("/health", health.readyz),
    get("/forge/v1/health", health.health),
    get("/forge/v1/status", status.status),
    get("/metrics", metrics.scrape),
    get("/openapi.json", openapi.openapi),
    get("/forge/v1/admin/keys", admin.list_keys),
    post("/forge/v1/admin/drain", admin.drain),
)

PAGE = (get("/", page.index), get("/web/{name}", page.file))


def build_app(services: Services) -> web.Application:
    app = web.Application(
        middlewares=(*PIPELINE, *services.middlewares),
        client_max_size=services.http.max_body_bytes,
    )
    app[SERVICES] = services
    app.on_response_prepare.extend((write_headers, write_limits, write_cors))
    app.add_routes(ROUTES)
    if services.http.web_page:
        app[page.ASSETS] = page.read_assets()
        app.add_routes(PAGE)
    return app
