"""The routes as an OpenAPI 3.1 document, derived from the Structs that read and write the bodies.

What the document says of a route is one `Operation`; a test holds the list to the routes there are.
Bounds that hang together (say, `top_logprobs` without `logprobs`) no schema can tell: those are
400s that name the field. Knows shapes, not what answers them.
"""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from forge_api.errors import ErrorBody

OPENAPI_VERSION = "3.1.0"
JSON, TEXT, EVENTS, HTML = "application/json", "text/plain", "text/event-stream", "text/html"
COMPONENT = "#/components/schemas/{name}"
ALWAYS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
WITH_BODY = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class Operation(NamedTuple):
    """One method of one path. `reply` is a Struct for JSON, else a media type."""

    method: Literal["get", "post"]
    path: str
    summary: str
    reply: type[Struct] | str
    body: type[Struct] | None = None
    is_streaming: bool = False
    is_public: bool = False  # needs no key
    errors: tuple[HTTPStatus, ...] = ()
    unlike_success: tuple[HTTPStatus, ...] = ()  # other statuses of the reply's own shape


def parameters_of(path: str) -> list[dict[str, Any]]:
    """What stands in braces."""
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in names
    ]


def document(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The whole of it, ready to be encoded."""
    shapes = Shapes(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = shapes.described(operation)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Forge",
            "version": version("forge-server"),
            "description": "An LLM inference server with OpenAI's API.",
        },
        "paths": paths,
        "components": {
            "schemas": shapes.components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


class Shapes:
    """Every Struct of `operations` once, by its name."""

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        bodies = [operation.body for operation in operations if operation.body is not None]
        replies = [each.reply for each in operations if not isinstance(each.reply, str)]
        structs = list(dict.fromkeys([*bodies, *replies, ErrorBody]))
        schemas, self.components = msgspec.json.schema_components(structs, ref_template=COMPONENT)
        self._schema_of = dict(zip(structs, schemas, strict=True))

    def described(self, operation: Operation) -> dict[str, Any]:
        described: dict[str, Any] = {
            "summary": operation.summary,
            "operationId": operation_id(operation),
            "parameters": parameters_of(operation.path),
            "responses": self._responses(operation),
            "security": [] if operation.is_public else [{}, {"key": []}],
        }
        if operation.body is not None:
            content = {JSON: {"schema": self._schema_of[operation.body]}}
            described["requestBody"] = {"required": True, "content": content}
        return described

    def _responses(self, operation: Operation) -> dict[str, Any]:
        statuses = {*operation.errors, *(WITH_BODY if operation.body else ())}
        if not operation.is_public:
            statuses.update(ALWAYS)
        failures = {
            str(int(status)): _response(status.phrase, {JSON: self._schema_of[ErrorBody]})
            for status in sorted(statuses)
        }
        replies = {
            str(int(status)): _response(status.phrase, self._success(operation))
            for status in (HTTPStatus.OK, *operation.unlike_success)
        }
        return replies | failures

    def _success(self, operation: Operation) -> dict[str, Any]:
        """By media type. Events of a stream are said in no schema: each is a piece of a reply."""
        if isinstance(operation.reply, str):
            return {operation.reply: {"type": "object" if operation.reply == JSON else "string"}}
        content = {JSON: self._schema_of[operation.reply]}
        return content | ({EVENTS: {}} if operation.is_streaming else {})


def operation_id(operation: Operation) -> str:
    words = operation.path.strip("/").translate(str.maketrans("/{}.-", "_____")).split("_")
    return "_".join([operation.method, *filter(None, words)])


def _response(description: str, schemas: dict[str, Any]) -> dict[str, Any]:
    content = {media_type: {"schema": schema} for media_type, schema in schemas.items()}
    return {"description": description, "content": content}
