"""What handlers share, under one key of the application: built once, before the first request.

Holds references only; knows nothing of routes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware
from msgspec import Struct

from forge_api.access.access import Access
from forge_api.body_budget import BodyBudget
from forge_api.engine_client import EngineClient
from forge_api.grammars.grammars import Grammars
from forge_api.metrics import Metrics
from forge_api.openai_types import (
    ChatCompletionRequest,
    CompletionRequest,
    DetokenizeRequest,
    TokenizeRequest,
)
from forge_api.parameters import REFUSED, REFUSED_IN_CHAT, REFUSED_IN_COMPLETIONS, BodyParser
from forge_api.served_model import ServedModel
from forge_api.tracing.trace import Tracer
from forge_api.validation import Validator
from forge_common.config import HttpSettings
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.protocol.api_scheduler import SchedulerReady


def nothing_to_stop() -> None:
    """Of an application that nobody started as a process."""


class Lifecycle(Struct):
    """Whether the process still takes requests: `is_draining` goes from False to True once, say
    after `ask_to_stop`.
    """

    is_draining: bool = False
    is_asked_to_stop: bool = False
    stop: Callable[[], None] = nothing_to_stop
    started_at_s: float = msgspec.field(default_factory=time.monotonic)

    @property
    def uptime_s(self) -> float:
        return time.monotonic() - self.started_at_s

    def ask_to_stop(self) -> None:
        """However often: a second signal would end at once what still runs."""
        if not (self.is_asked_to_stop or self.is_draining):
            self.is_asked_to_stop = True
            self.stop()


class Parsers:
    def __init__(self, *, is_strict: bool) -> None:
        self.chat = BodyParser(
            ChatCompletionRequest, REFUSED | REFUSED_IN_CHAT, is_strict=is_strict
        )
        self.completion = BodyParser(
            CompletionRequest, REFUSED | REFUSED_IN_COMPLETIONS, is_strict=is_strict
        )
        self.tokenize = BodyParser(TokenizeRequest, REFUSED, is_strict=is_strict)
        self.detokenize = BodyParser(DetokenizeRequest, REFUSED, is_strict=is_strict)


class Services(Struct, frozen=True):
    http: HttpSettings
    engine: EngineClient
    model: ServedModel
    grammars: Grammars
    validator: Validator
    parsers: Parsers
    metrics: Metrics
    bodies: BodyBudget
    lifecycle: Lifecycle
    access: Access
    middlewares: tuple[Middleware, ...] = ()  # the operator's own, the first outermost
    tracer: Tracer | None = None  # None: nothing is traced

    def scheduler(self) -> SchedulerReady:
        """The engine's limits; raises RequestError where it is not expected to serve soon."""
        if self.lifecycle.is_draining:
            raise RequestError("The server is shutting down", kind=RequestErrorKind.UNAVAILABLE)
        scheduler = self.engine.expected_scheduler
        if scheduler is None:
            raise RequestError("The engine is not ready yet", kind=RequestErrorKind.UNAVAILABLE)
        return scheduler


SERVICES = web.AppKey("services", Services)
