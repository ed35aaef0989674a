"""A request ends at its deadline wherever it is, and what it held is free."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from forge_api.middleware import deadline
from forge_api.middleware.deadline import Deadline
from forge_api.output_stream import OutputStream
from forge_common.protocol.api_scheduler import SequenceOutput, Submit
from tests.api.fakes import HELLO, FakeEngine, Reply, make_output, never_ends, serve, speaks
from tests.builders import make_submit

CHAT = "/v1/chat/completions"


def ask(engine: FakeEngine, milliseconds: str, **body: Any) -> Reply:
    headers = {"X-Request-Deadline-Ms": milliseconds}
    return serve(engine, lambda api: api.post(CHAT, {**HELLO, **body}, headers=headers))


def says_nothing(submit: Submit) -> Sequence[SequenceOutput]:
    return []


def test_request_that_waits_ends_at_its_deadline() -> None:
    engine = FakeEngine(says_nothing)
    started_s = time.monotonic()
    reply = ask(engine, "80")
    assert (reply.status, reply.error["code"]) == (504, "deadline_exceeded")
    assert reply.headers["X-Should-Retry"] == "false"
    assert time.monotonic() - started_s < 5
    assert len(engine.aborted) == 1
    assert not engine.streams


def test_stream_under_way_ends_with_an_error_event() -> None:
    engine = FakeEngine(never_ends, delay_s=0.01)
    reply = ask(engine, "700", stream=True)
    assert reply.status == 200
    assert len(reply.events) > 2
    assert reply.events[-1]["error"]["code"] == "deadline_exceeded"
    assert len(engine.aborted) == 1


def test_whole_reply_that_is_late_is_no_reply() -> None:
    assert ask(FakeEngine(never_ends, delay_s=0.01), "100").status == 504


def test_deadline_holds_while_the_engine_has_not_taken_the_request() -> None:
    class SlowEngine(FakeEngine):
        def submit(self, submits: Sequence[Submit]) -> Any:
            return Never()

    class Never:
        async def __aenter__(self) -> None:
            await asyncio.sleep(60)

        async def __aexit__(self, *_: object) -> None: ...

    assert ask(SlowEngine(speaks("hi")), "60").error["code"] == "deadline_exceeded"


def test_request_in_time_is_as_any_other_and_the_scheduler_knows_its_time() -> None:
    engine = FakeEngine(speaks("hi"))
    assert ask(engine, "60000").status == 200
    within_s = engine.submitted[0].start_within_s
    assert within_s is not None
    assert 50 < within_s <= 60


def test_without_the_header_there_is_no_deadline() -> None:
    engine = FakeEngine(speaks("hi"))
    serve(engine, lambda api: api.post(CHAT, HELLO))
    assert engine.submitted[0].start_within_s is None


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "soon", "", "1e3", "9" * 30, "86400001", "٣"])
def test_value_that_is_no_time_is_a_400_naming_the_header(value: str) -> None:
    reply = ask(FakeEngine(speaks("hi")), value)
    assert reply.status == 400
    assert reply.error["param"] == "X-Request-Deadline-Ms"


def test_outputs_in_time_are_delivered_before_the_error() -> None:
    def one_token(submit: Submit) -> Sequence[SequenceOutput]:
        return [make_output(submit, 0, [65])]

    reply = ask(FakeEngine(one_token), "100", stream=True)
    assert len(reply.events) >= 2
    assert "error" in reply.events[-1]


def test_client_that_does_not_read_is_left_soon_after_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def body() -> list[str]:
        loop = asyncio.get_running_loop()
        told: list[str] = []
        stream = OutputStream([make_submit()])
        stream.on_overflow = lambda: told.append("hang up")
        async with asyncio.timeout(None) as timeout:
            with Deadline(timeout, loop.time()).ends(stream):
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.1)
        return told

    monkeypatch.setattr(deadline, "LAST_WORDS_S", 0.05)
    assert asyncio.run(body()) == ["hang up"]
    monkeypatch.setattr(deadline, "LAST_WORDS_S", 0.15)
    assert asyncio.run(body()) == []
