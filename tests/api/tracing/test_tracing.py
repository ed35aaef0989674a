"""Spans of a request, from the client's `traceparent` to the worker, at a collector's door."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from forge_api.tracing.setup import tracer_of
from forge_common.errors import ConfigError
from forge_common.protocol.message import Failure
from forge_common.sampling import FinishReason
from tests.api.fakes import (
    HELLO,
    TIMES,
    TOKENIZER,
    Api,
    FakeEngine,
    make_output,
    never_ends,
    serve,
    speaks,
    until,
)
from tests.api.tracing.collector import Collector, SeenSpan, collecting

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}

NUM_TOKENS = len(TOKENIZER.encode("hello"))

Test = Callable[[Api], Awaitable[Any]]


def traced(test: Test, engine: FakeEngine | None = None) -> Collector:
    """What a collector got after `test`."""
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")
    with collecting() as collector:
        tracer = tracer_of(collector.url, {})
        assert tracer is not None
        serve(engine or FakeEngine(speaks("hello")), test, tracer=tracer)
        tracer.close()
    return collector


def chats(**body: Any) -> Test:
    return lambda api: api.post("/v1/chat/completions", HELLO | body, headers=SAMPLED)


def tree(spans: list[SeenSpan], parent_id: str = PARENT_ID) -> list[Any]:
    """(service, name, children) below a span, in the order in which they began."""
    children = sorted((span for span in spans if span.parent_id == parent_id), key=when)
    return [(span.service, span.name, tree(spans, span.span_id)) for span in children]


def when(span: SeenSpan) -> tuple[int, int]:
    return span.start_ns, span.end_ns


def named(spans: list[SeenSpan], name: str) -> SeenSpan:
    (span,) = [span for span in spans if span.name == name]
    return span


def test_one_trace_leads_from_the_client_to_the_worker() -> None:
    spans = traced(chats()).spans
    assert {span.trace_id for span in spans} == {TRACE_ID}
    forward = [("forge-worker", "forward", [])]
    sequence = [
        ("forge-scheduler", "queue", []),
        ("forge-scheduler", "prefill", forward),
        ("forge-scheduler", "decode", forward),
    ]
    parts = [
        ("forge-api", "template", []),
        ("forge-api", "tokenize", []),
        ("forge-scheduler", "sequence", sequence),
    ]
    assert tree(spans) == [("forge-api", "POST /v1/chat/completions", parts)]


def test_times_are_those_that_the_scheduler_told() -> None:
    spans = traced(chats()).spans
    seconds = {span.name: (span.end_ns - span.start_ns) / 1e9 for span in spans}
    for name, expected in (("queue", TIMES.queue_s), ("prefill", TIMES.prefill_s)):
        assert seconds[name] == pytest.approx(expected, abs=1e-6)
    assert seconds["sequence"] == pytest.approx(2.75, abs=1e-6)
    decode = next(span for span in spans if span.attributes.get("forge.num_steps") == 4)
    assert decode.attributes["forge.forward_s"] == TIMES.decode_forward_s
    root = named(spans, "POST /v1/chat/completions")
    assert abs(root.end_ns - time.time_ns()) < 10e9


def test_request_span_has_the_attributes_of_the_conventions() -> None:
    attributes = named(traced(chats(seed=1)).spans, "POST /v1/chat/completions").attributes
    expected = {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "tiny",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.output_tokens": NUM_TOKENS,
        "gen_ai.usage.cache_read.input_tokens": 4,
    }
    assert {name: attributes[name] for name in expected} == expected
    assert not [value for value in attributes.values() if "hello" in str(value)]


def test_stream_is_traced_to_its_end() -> None:
    attributes = named(traced(chats(stream=True)).spans, "POST /v1/chat/completions").attributes
    assert attributes["gen_ai.usage.output_tokens"] == NUM_TOKENS
    assert attributes["gen_ai.request.stream"] is True


def test_each_choice_has_a_sequence() -> None:
    spans = traced(chats(n=3)).spans
    indices = [s.attributes["forge.choice.index"] for s in spans if s.name == "sequence"]
    assert sorted(indices) == [0, 1, 2]


def test_a_request_without_a_trace_begins_one() -> None:
    collector = traced(lambda api: api.post("/v1/chat/completions", HELLO))
    (root,) = [span for span in collector.spans if not span.parent_id]
    assert root.name == "POST /v1/chat/completions"
    assert root.trace_id != TRACE_ID


def test_what_the_client_does_not_sample_is_neither_sent_nor_timed() -> None:
    engine = FakeEngine(speaks("hello"))
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-00"}
    test: Test = lambda api: api.post("/v1/chat/completions", HELLO, headers=headers)  # noqa: E731
    assert traced(test, engine).spans == []
    assert not engine.submitted[0].is_timed


def test_probes_and_scrapes_are_not_traced() -> None:
    async def test(api: Api) -> None:
        for path in ("/livez", "/readyz", "/metrics", "/", "/web/dom.js"):
            await api.get(path, headers=SAMPLED)

    assert traced(test).spans == []


def test_refused_and_failed_requests_are_told_apart() -> None:
    def fails(submit: Any) -> Any:
        yield make_output(submit, 0, [], FinishReason.ERROR, error=Failure("no"))

    async def test(api: Api) -> None:
        await api.post("/v1/chat/completions", {"messages": []}, headers=SAMPLED)
        await api.send("GET", "/odd/path", headers=SAMPLED)
        await api.post("/v1/chat/completions", HELLO, headers=SAMPLED)

    spans = traced(test, FakeEngine(fails)).spans
    roots = [span for span in spans if span.parent_id == PARENT_ID]
    assert [root.attributes["http.response.status_code"] for root in roots] == [400, 404, 500]
    assert [root.attributes.get("error.type") for root in roots] == [None, None, "500"]
    assert [root.name for root in roots][1] == "GET"


@pytest.mark.filterwarnings("ignore")
def test_a_collector_that_is_away_costs_requests_nothing() -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")
    tracer = tracer_of("http://127.0.0.1:9", {})
    assert tracer is not None
    started = time.perf_counter()
    for _ in range(5000):  # more than the queue holds
        tracer.begin("GET", None, time.perf_counter(), {}).end({}, (), has_failed=False)
    assert time.perf_counter() - started < 5.0
    tracer.close()
    assert time.perf_counter() - started < 10.0


def test_nothing_is_traced_unless_somebody_asks() -> None:
    assert tracer_of(None, {}) is None
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert tracer_of(None, endpoint | {"OTEL_SDK_DISABLED": "true"}) is None
    assert tracer_of(None, endpoint | {"OTEL_TRACES_EXPORTER": "none"}) is None


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://collector", "http://"])
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="must be the URL of a collector"):
        tracer_of(endpoint, {})


def test_without_the_extra_the_flag_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "forge_api.tracing.otel", None)
    with pytest.raises(ConfigError, match=r"pip install 'forge-server\[otel\]'"):
        tracer_of("http://127.0.0.1:4318", {})
    assert tracer_of(None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}) is None


def test_a_client_that_leaves_ends_its_trace() -> None:
    engine = FakeEngine(never_ends, delay_s=0.001)

    async def test(api: Api) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(api.post("/v1/chat/completions", HELLO, headers=SAMPLED), 0.1)
        await until(lambda: engine.aborted)

    attributes = named(traced(test, engine).spans, "POST /v1/chat/completions").attributes
    assert attributes["http.response.status_code"] == 499
    assert attributes["gen_ai.response.finish_reasons"] == ["abort"]


def test_texts_that_clients_write_into_spans_are_short() -> None:
    headers = SAMPLED | {"User-Agent": "x" * 5000}
    spans = traced(lambda api: api.get("/" + "y" * 5000, headers=headers)).spans
    assert max(len(str(value)) for value in spans[0].attributes.values()) == 200
