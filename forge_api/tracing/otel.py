"""Spans → OpenTelemetry: the only module that knows its SDK, which comes with the extra `otel`.

Each role is a service of its own in the trace, though one process sends the spans of all of them.
They wait in a queue with a bound and leave from a thread; what finds no room, or no collector, is
dropped, and no request waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from importlib.metadata import version
from typing import Final, get_args

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import (
    Span as OtelSpan,
)
from opentelemetry.trace import (
    Tracer as OtelSdkTracer,
)

from forge_api.tracing.context import TraceContext
from forge_api.tracing.spans import Attributes, Role, Span

FLUSH_S: Final = 2.0
EXPORTER_LOGGER: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
NS_PER_S: Final = 1_000_000_000

Tracers = dict[Role, OtelSdkTracer]


class OpenOtelSpan:
    """The span of one request; `epoch_ns` is where perf_counter began, in time since 1970."""

    def __init__(self, span: OtelSpan, tracers: Tracers, epoch_ns: int) -> None:
        self._span = span
        self._tracers = tracers
        self._epoch_ns = epoch_ns

    @property
    def trace_id(self) -> str:
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def is_recording(self) -> bool:
        return bool(self._span.is_recording())

    def end(self, attributes: Attributes, children: Iterable[Span], *, has_failed: bool) -> None:
        if not self.is_recording:
            return
        self._add(children, set_span_in_context(self._span, Context()))
        self._span.set_attributes(attributes)
        if has_failed:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()

    def _add(self, spans: Iterable[Span], parent: Context) -> None:
        for span in spans:
            started = self._tracers[span.role].start_span(
                span.name,
                parent,
                attributes=span.attributes,
                start_time=ns_of(span.started, self._epoch_ns),
            )
            self._add(span.children, set_span_in_context(started, Context()))
            started.end(ns_of(span.ended, self._epoch_ns))


class OtelTracer:
    """`endpoint` is the base of a collector's URL; None leaves it to the OTEL_… variables."""

    def __init__(self, endpoint: str | None) -> None:
        url = None if endpoint is None else f"{endpoint.rstrip('/')}/v1/traces"
        logging.getLogger(EXPORTER_LOGGER).setLevel(logging.ERROR)  # not a line for each new try
        self._exporter: SpanExporter = OTLPSpanExporter(url)
        self._processor = BatchSpanProcessor(self._exporter)
        self._tracers: Tracers = {role: self._tracer(role) for role in get_args(Role)}

    def begin(
        self, name: str, parent: TraceContext | None, started: float, attributes: Attributes
    ) -> OpenOtelSpan:
        epoch_ns = time.time_ns() - round(time.perf_counter() * NS_PER_S)
        span = self._tracers["api"].start_span(
            name,
            context_of(parent),
            SpanKind.SERVER,
            attributes,
            start_time=ns_of(started, epoch_ns),
        )
        return OpenOtelSpan(span, self._tracers, epoch_ns)

    def close(self) -> None:
        """The SDK's own flush keeps to no limit, so it has a thread that may be left behind."""
        last_words = threading.Thread(target=self._processor.shutdown, daemon=True)
        last_words.start()
        last_words.join(FLUSH_S)
        self._exporter.shutdown()  # ends what is still tried again

    def _tracer(self, role: Role) -> OtelSdkTracer:
        names = {
            "service.name": f"forge-{role}",
            "service.namespace": "forge",
            "service.version": version("forge-server"),
        }
        provider = TracerProvider(resource=Resource.create(names), shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return provider.get_tracer("forge", names["service.version"])


def ns_of(moment: float, epoch_ns: int) -> int:
    return epoch_ns + round(moment * NS_PER_S)


def context_of(parent: TraceContext | None) -> Context:
    """Never the current one, which other libraries may set."""
    if parent is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
    context = SpanContext(
        int(parent.trace_id, 16), int(parent.parent_id, 16), is_remote=True, trace_flags=flags
    )
    return set_span_in_context(NonRecordingSpan(context), Context())
