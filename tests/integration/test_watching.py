"""Real processes, watched from outside: a trace over all of them, times in a reply, a JSON log."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.api.tracing.collector import SeenSpan, collecting
from tests.integration.conftest import Launch
from tests.integration.launched_forge import START_TIMEOUT_S, LaunchedForge

pytestmark = pytest.mark.integration

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 6, "ignore_eos": True}


def chat(launched: LaunchedForge, /, **body: Any) -> Any:
    request = urllib.request.Request(  # noqa: S310 - it is our own http address
        launched.url + "/v1/chat/completions",
        json.dumps(CHAT | body).encode(),
        {
            "Content-Type": "application/json",
            "traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01",
        },
    )
    with urllib.request.urlopen(request, timeout=START_TIMEOUT_S) as reply:  # noqa: S310
        return json.loads(reply.read())


def test_one_trace_shows_every_hop(launch: Launch) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")
    with collecting() as collector:
        forge = launch("--otlp-endpoint", collector.url).wait_until_ready()
        chat(forge, n=2)
        forge.terminate()
        assert forge.wait_until_ended().exit_code == 0
    spans = collector.spans
    assert {span.trace_id for span in spans} == {TRACE_ID}
    by_id = {span.span_id: span for span in spans}
    forwards = [span for span in spans if span.name == "forward"]
    assert len(forwards) == 4
    for forward in forwards:
        assert ancestry(forward, by_id) == [
            ("forge-worker", "forward"),
            ("forge-scheduler", by_id[forward.parent_id].name),
            ("forge-scheduler", "sequence"),
            ("forge-api", "POST /v1/chat/completions"),
        ]
        assert (
            0 < forward.attributes["forge.forward_s"] <= (forward.end_ns - forward.start_ns) / 1e9
        )


def ancestry(span: SeenSpan, by_id: dict[str, SeenSpan]) -> list[tuple[str, str]]:
    parent = by_id.get(span.parent_id)
    if parent is None:
        assert span.parent_id == PARENT_ID
        return [(span.service, span.name)]
    assert parent.start_ns <= span.start_ns <= span.end_ns <= parent.end_ns
    return [(span.service, span.name), *ancestry(parent, by_id)]


def test_hops_of_a_real_request_add_up(shared_forge: LaunchedForge) -> None:
    timings = chat(shared_forge, forge={"timings": True})["forge"]["timings"]
    hops = timings["hops"]
    assert sum(hops.values()) == pytest.approx(timings["total_s"])
    assert all(seconds > 0 for seconds in hops.values())
    (choice,) = timings["choices"]
    assert choice["num_tokens"] == 6
    assert choice["num_prefill_steps"] == 1
    assert choice["num_decode_steps"] + choice["num_accepted_tokens"] == 5


def test_every_line_of_a_json_log_is_an_object_with_a_role(launch: Launch) -> None:
    forge = launch("--log-format", "json").wait_until_ready()
    chat(forge)
    forge.terminate()
    lines = [json.loads(line) for line in forge.wait_until_ended().lines]
    assert {"launch", "worker", "scheduler", "api"} == {line["role"] for line in lines}
    (access,) = [line for line in lines if "status" in line]
    assert (access["status"], access["trace_id"]) == (200, TRACE_ID)
