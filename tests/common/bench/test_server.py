"""Server: what it sees of replies with known delays, and how it names what goes wrong.

Sockets are real and time is faked: what was written to loopback is there at once, so no test waits.
"""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from forge_common.bench.clock import Clock
from forge_common.bench.records import Failure, Observation, RequestRecord
from forge_common.bench.request_body import PreparedRequest
from forge_common.bench.server import connected
from forge_common.errors import ForgeError
from tests.common.bench.fake_loop import run_in_fake_time
from tests.common.bench.fake_server import Handler, Script, saying, served, streaming


async def ask_at(url: str, timeout_s: float = 10.0, due_s: float = 0.0) -> Observation:
    async with connected(url, {}, timeout_s) as server:
        clock = Clock(asyncio.get_running_loop())
        return await server.ask("/chat/completions", PreparedRequest(7, b"{}"), due_s, clock)


def ask(handler: Handler, timeout_s: float = 10.0) -> Observation:
    async def body() -> Observation:
        async with served(handler) as url:
            return await ask_at(url, timeout_s)

    observed: Observation = run_in_fake_time(body())
    return observed


def failure(handler: Handler, timeout_s: float = 10.0) -> Failure:
    found = ask(handler, timeout_s).record.failure
    assert found is not None
    return found


def test_known_delays_come_out() -> None:
    script = Script(first_s=0.2, gap_s=0.1, num_events=4, num_tokens=7, num_cached_tokens=5)
    record, times = ask(streaming(script))
    assert record.failure is None
    assert len(times) == record.num_content_events == 4
    assert record.ttft_s == pytest.approx(0.2, abs=1e-6)
    assert record.longest_gap_s == pytest.approx(0.1, abs=1e-6)
    assert record.tpot_s == pytest.approx(0.3 / 6, abs=1e-6)
    assert (record.num_output_tokens, record.is_counted_by_usage) == (7, True)
    assert (record.num_prompt_tokens, record.num_cached_tokens) == (11, 5)


def test_without_usage_a_token_is_an_event() -> None:
    record = ask(streaming(Script(num_events=3))).record
    assert (record.num_output_tokens, record.is_counted_by_usage) == (3, False)
    assert record.num_prompt_tokens is None


def test_wait_before_sending_counts_from_when_it_was_due() -> None:
    async def body() -> RequestRecord:
        async with served(streaming(Script())) as url:
            return (await ask_at(url, due_s=-5.0)).record

    record = asyncio.run(body())
    assert record.failure is None
    assert record.send_lag_s == pytest.approx(5.0, abs=1.0)
    assert record.e2e_s > 5.0 > record.e2e_from_send_s


def test_refusal_is_named_with_its_words_and_its_wait() -> None:
    found = failure(saying(429, '{"error": "full"}', Retry_After="3"))
    assert found == Failure("HTTP 429", '{"error": "full"}', 3.0)


def test_retry_after_that_is_a_date_is_no_wait() -> None:
    found = failure(saying(503, "", Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"))
    assert found == Failure("HTTP 503", "", None)


def test_words_of_a_refusal_are_cut() -> None:
    assert len(failure(saying(500, "x" * 100_000)).detail) <= 300


def test_connection_lost_in_a_reply_is_a_broken_stream() -> None:
    observation = ask(streaming(Script(num_events=2, is_broken=True)))
    assert observation.record.failure is not None
    assert observation.record.failure.kind == "broken stream"
    assert observation.record.num_content_events == 2


def test_reply_that_ends_early_is_a_broken_stream() -> None:
    assert failure(streaming(Script(ends_with_done=False))).kind == "broken stream"


def test_reply_without_text_is_named() -> None:
    assert failure(streaming(Script(num_events=0, num_tokens=1))).kind == "no content"


def test_error_in_a_stream_is_named() -> None:
    found = failure(streaming(Script(error={"message": "out of memory"})))
    assert found.kind == "error event"
    assert "out of memory" in found.detail


def test_reply_that_is_no_stream_is_named() -> None:
    assert failure(saying(200, "{}")).kind == "not a stream"


def test_unreadable_event_is_a_broken_stream() -> None:
    handler = saying(200, "data: {\n\n", Content_Type="text/event-stream")
    assert failure(handler).kind == "broken stream"


def test_slow_reply_times_out() -> None:
    observation = ask(streaming(Script(gap_s=30.0)), timeout_s=0.3)
    assert observation.record.failure is not None
    assert observation.record.failure.kind == "timeout"
    assert observation.record.e2e_s == pytest.approx(0.3)


def test_refused_connection_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        record = asyncio.run(ask_at(url)).record
    assert record.failure is not None
    assert record.failure.kind == "connection refused"


def test_connection_closed_before_a_reply_is_lost() -> None:
    async def body() -> RequestRecord:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return (await ask_at(f"http://127.0.0.1:{port}/v1")).record

    found = asyncio.run(body()).failure
    assert found is not None
    assert found.kind == "connection lost"  # of the second one too


def test_closed_connection_is_replaced_once_and_that_is_told() -> None:
    async def body() -> RequestRecord:
        num_connections = 0
        handler = streaming(Script())

        async def hang_up_first(request: web.Request) -> web.StreamResponse:
            nonlocal num_connections
            num_connections += 1
            if num_connections == 1:
                assert request.transport is not None
                request.transport.abort()
            return await handler(request)

        async with served(hang_up_first) as url:
            return (await ask_at(url)).record

    record = asyncio.run(body())
    assert record.failure is None
    assert record.is_resent


def test_first_model_is_found() -> None:
    async def body() -> str:
        async with served(saying(200, "")) as url, connected(url + "/", {}, 5.0) as server:
            return await server.first_model()

    assert asyncio.run(body()) == "first"


def test_server_without_models_is_one_sentence() -> None:
    async def body() -> None:
        async with (
            served(saying(200, "")) as url,
            connected(url + "/nowhere", {}, 5.0) as server,
        ):
            await server.first_model()

    with pytest.raises(ForgeError, match="404: --url ends with /v1"):
        asyncio.run(body())
