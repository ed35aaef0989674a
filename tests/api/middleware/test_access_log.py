"""The line a request: for people as it was, for programs with keys."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from forge_common.log import FIELDS
from tests.api.fakes import HELLO, Api, FakeEngine, serve, speaks

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def logged(caplog: pytest.LogCaptureFixture, path: str, headers: dict[str, str]) -> Any:
    async def test(api: Api) -> None:
        await api.post(path, HELLO, headers=headers)

    with caplog.at_level(logging.INFO, "forge_api.middleware.access_log"):
        serve(FakeEngine(speaks("hi")), test)
    return next(r for r in caplog.records if r.name == "forge_api.middleware.access_log")


def test_line_has_the_same_in_words_and_in_fields(caplog: pytest.LogCaptureFixture) -> None:
    headers = {"X-Request-Id": "r1", "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
    record = logged(caplog, "/v1/chat/completions", headers)
    assert record.getMessage().startswith("r1 POST /v1/chat/completions 200 ")
    fields = getattr(record, FIELDS)
    assert fields.pop("duration_ms") > 0
    assert fields == {
        "request_id": "r1",
        "trace_id": TRACE_ID,
        "method": "POST",
        "path": "/v1/chat/completions",
        "route": "/v1/chat/completions",
        "status": 200,
    }


def test_without_a_trace_there_is_no_id_of_one(caplog: pytest.LogCaptureFixture) -> None:
    fields = getattr(logged(caplog, "/odd", {"traceparent": "odd"}), FIELDS)
    assert "trace_id" not in fields
    assert (fields["route"], fields["status"]) == ("unknown", 404)


def test_a_path_can_forge_no_line(caplog: pytest.LogCaptureFixture) -> None:
    record = logged(caplog, "/a%0d%0aapi%20|%20all%20is%20well%1b[31m%C2%85", {})
    message = record.getMessage()
    assert message.isprintable()
    assert "POST /a\\r\\napi | all is well\\x1b[31m\\x85 404 " in message
