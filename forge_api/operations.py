"""What the OpenAPI document says of each route; its shapes are the Structs that are used."""

from __future__ import annotations

from http import HTTPStatus

from forge_api.handlers.admin import Draining, KeyList
from forge_api.handlers.health import Health, Probe
from forge_api.handlers.status import Status
from forge_api.openai_types import (
    ChatCompletionRequest,
    CompletionRequest,
    DetokenizeRequest,
    TokenizeRequest,
)
from forge_api.openapi import HTML, JSON, TEXT, Operation
from forge_api.reply_types import (
    ChatCompletion,
    Detokenized,
    ModelCard,
    ModelList,
    TextCompletion,
    Tokenized,
)

NOT_READY = (HTTPStatus.SERVICE_UNAVAILABLE,)

OPERATIONS = (
    Operation(
        "post",
        "/v1/chat/completions",
        "Answer a conversation, whole or as a stream of events",
        ChatCompletion,
        ChatCompletionRequest,
        is_streaming=True,
    ),
    Operation(
        "post",
        "/v1/completions",
        "Go on with a text, whole or as a stream of events",
        TextCompletion,
        CompletionRequest,
        is_streaming=True,
    ),
    Operation("post", "/tokenize", "Text or messages to token ids", Tokenized, TokenizeRequest),
    Operation("post", "/detokenize", "Token ids to text", Detokenized, DetokenizeRequest),
    Operation("get", "/v1/models", "The models that are served", ModelList),
    Operation(
        "get",
        "/v1/models/{name}",
        "One of them",
        ModelCard,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
    Operation("get", "/livez", "Whether this process serves", Probe, is_public=True),
    Operation(
        "get",
        "/readyz",
        "Whether a request could be run now",
        Probe,
        is_public=True,
        unlike_success=NOT_READY,
    ),
    Operation("get", "/health", "As /readyz", Probe, is_public=True, unlike_success=NOT_READY),
    Operation("get", "/forge/v1/health", "The numbers behind it", Health),
    Operation("get", "/forge/v1/status", "Sequences and KV blocks, live", Status),
    Operation("get", "/metrics", "Prometheus's text format", TEXT),
    Operation("get", "/openapi.json", "This document", JSON),
    Operation(
        "get",
        "/forge/v1/admin/keys",
        "Names, limits and usage of the keys, for an admin",
        KeyList,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "post",
        "/forge/v1/admin/drain",
        "End as after SIGTERM, for an admin",
        Draining,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
)

PAGE_OPERATIONS = (
    Operation("get", "/", "The built-in page", HTML, is_public=True),
    Operation(
        "get",
        "/web/{name}",
        "A file of it",
        "*/*",
        is_public=True,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
)
