"""One request's place in a trace, while it runs, and who takes it when it has ended.

Knows no exporter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from aiohttp import web

from forge_api.tracing.context import HEADER, TraceContext, trace_context_of
from forge_api.tracing.spans import Attributes, Generated, Span


class OpenSpan(Protocol):
    """Of a request that runs."""

    @property
    def trace_id(self) -> str: ...

    @property
    def is_recording(self) -> bool:
        """False where the trace was not sampled."""
        ...

    def end(self, attributes: Attributes, children: Iterable[Span], *, has_failed: bool) -> None:
        """Now."""
        ...


class Tracer(Protocol):
    def begin(
        self, name: str, parent: TraceContext | None, started: float, attributes: Attributes
    ) -> OpenSpan:
        """`started` in seconds of perf_counter."""
        ...

    def close(self) -> None:
        """Sends what is still to be sent, for a moment; blocks."""
        ...


class Trace:
    """Of a request that is traced; its handler fills in what was generated."""

    def __init__(self, span: OpenSpan) -> None:
        self.span = span
        self.generated: Generated | None = None


TRACE = web.RequestKey("trace", Trace)


def trace_id_of(request: web.Request) -> str | None:
    """For logs: also while nothing is exported, if the client began a trace."""
    trace: Trace | None = request.get(TRACE)
    if trace is not None:
        return trace.span.trace_id
    context = trace_context_of(request.headers.get(HEADER))
    return None if context is None else context.trace_id
