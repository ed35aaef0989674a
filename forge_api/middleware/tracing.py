"""A span a request, with what its handler tells of its parts; nothing where no tracer is set up.

Probes and scrapes are not traced. Knows HTTP's semantic conventions; knows no exporter.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.metrics import METHODS
from forge_api.middleware.access_log import QUIET
from forge_api.middleware.arrival import ARRIVED_AT
from forge_api.middleware.reply_status import SERVER_ERROR, reply_of
from forge_api.middleware.request_id import REQUEST_ID
from forge_api.route_label import UNKNOWN, route_of
from forge_api.services import SERVICES
from forge_api.tracing.context import HEADER, trace_context_of
from forge_api.tracing.spans import Attributes, attributes_of, spans_of
from forge_api.tracing.trace import TRACE, Trace, Tracer

OTHER_METHOD: Final = "_OTHER"  # the conventions' word for it
MAX_TEXT_CHARS: Final = 200  # of what clients wrote
OPERATIONS: Final = MappingProxyType(  # the conventions' words
    {"/v1/chat/completions": "chat", "/v1/completions": "text_completion"}
)


@web.middleware
async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    tracer = request.app[SERVICES].tracer
    if tracer is None or route_of(request) in QUIET:
        return await handler(request)
    trace = request[TRACE] = begin(request, tracer)
    return await reply_of(handler, request, lambda status: end(trace, status))


def begin(request: web.Request, tracer: Tracer) -> Trace:
    method = request.method if request.method in METHODS else OTHER_METHOD
    route = route_of(request)
    attributes: Attributes = {
        "http.request.method": method,
        "url.path": request.path[:MAX_TEXT_CHARS],
        "url.scheme": request.scheme,
        "user_agent.original": request.headers.get("User-Agent", "")[:MAX_TEXT_CHARS],
        "client.address": request.remote or "",
        "forge.request_id": request[REQUEST_ID],
    }
    name = method if route == UNKNOWN else f"{method} {route}"
    if route != UNKNOWN:
        attributes["http.route"] = route
    if route in OPERATIONS:
        attributes["gen_ai.operation.name"] = OPERATIONS[route]
    parent = trace_context_of(request.headers.get(HEADER))
    return Trace(tracer.begin(name, parent, request[ARRIVED_AT], attributes))


def end(trace: Trace, status: int) -> None:
    attributes: Attributes = {"http.response.status_code": status}
    has_failed = status >= SERVER_ERROR
    if has_failed:
        attributes["error.type"] = str(status)
    generated = trace.generated
    if generated is None:
        trace.span.end(attributes, (), has_failed=has_failed)
        return
    attributes |= attributes_of(generated)
    trace.span.end(attributes, spans_of(generated.moments), has_failed=has_failed)
