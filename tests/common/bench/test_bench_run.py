"""A whole run against a server in this process."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from forge_common.bench.bench_run import run_bench
from forge_common.bench.dataset_spec import Jsonl, Synthetic
from forge_common.bench.load import AllAtOnce, Concurrent
from forge_common.bench.request_body import Endpoint
from forge_common.bench.result import BenchResult, remarks
from forge_common.bench.service_level import ServiceLevel
from forge_common.errors import ConfigError
from tests.common.bench.builders import run_settings
from tests.common.bench.fake_loop import run_in_fake_time
from tests.common.bench.fake_server import Handler, Script, saying, served, streaming

TOKENS_PER_WORD = 1.5
TEMPLATE_TOKENS = 9


class CountingServer:
    """Counts prompt tokens as a tokenizer of its own would, and keeps what it was asked."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.headers: list[Any] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(request.headers)
        num_words = len(body["messages"][0]["content"].split())
        num_prompt_tokens = TEMPLATE_TOKENS + math.floor(num_words * TOKENS_PER_WORD)
        script = Script(num_tokens=3, num_prompt_tokens=num_prompt_tokens)
        return await streaming(script)(request)


def bench(handler: Handler, headers: dict[str, str] | None = None, **settings: Any) -> BenchResult:
    async def body() -> BenchResult:
        async with served(handler) as url:
            return await run_bench(run_settings(url=url, **settings), headers or {})

    result: BenchResult = run_in_fake_time(body())
    return result


def test_known_delays_come_out_of_a_run() -> None:
    script = Script(first_s=0.15, gap_s=0.05, num_events=3, num_tokens=5)
    slo = ServiceLevel(ttft=5.0)
    result = bench(streaming(script), num_requests=12, load=AllAtOnce(), slo=slo)
    summary = result.summary
    assert summary.counts.num_succeeded == 12
    assert summary.counts.num_output_tokens == 60
    assert summary.distributions["ttft"].percentiles[50] == pytest.approx(0.15, abs=1e-6)
    assert summary.distributions["e2e"].percentiles[50] == pytest.approx(0.25, abs=1e-6)
    assert summary.distributions["itl"].num == 24
    assert summary.duration_s == pytest.approx(0.25)  # together, not one behind the other
    assert summary.goodput is not None
    assert summary.goodput.share == 1.0
    assert sum(result.timeline.num_output_tokens) == pytest.approx(60)


def test_prompts_have_the_tokens_asked_for_by_the_servers_own_count() -> None:
    server = CountingServer()
    result = bench(server.answer, num_requests=6, dataset=Synthetic(300, 20))
    assert result.generator.word_scale.is_measured
    assert {record.num_prompt_tokens for record in result.requests} <= {299, 300, 301}
    assert {body["max_tokens"] for body in server.bodies[2:]} == {20}


def test_warm_up_has_other_prompts_and_no_records() -> None:
    server = CountingServer()
    result = bench(server.answer, num_requests=4, num_warmup=3, load=Concurrent(2))
    texts = [body["messages"][0]["content"] for body in server.bodies]
    assert len(texts) == len(set(texts)) == 2 + 3 + 4
    assert [record.index for record in result.requests] == [0, 1, 2, 3]


def test_same_seed_asks_the_same() -> None:
    servers = [CountingServer(), CountingServer()]
    for server in servers:
        bench(server.answer, num_requests=5)
    assert servers[0].bodies == servers[1].bodies


def test_file_that_cannot_be_sent_is_refused_before_anything_is(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    last = '{"messages": [{"role": "user", "content": "hi"}]}\n'
    file.write_text('{"prompt": "hi"}\n' * 2000 + last)
    server = CountingServer()
    with pytest.raises(ConfigError, match="completions takes texts"):
        bench(server.answer, dataset=Jsonl(str(file)), endpoint=Endpoint.COMPLETIONS)
    assert server.bodies == []


def test_headers_and_the_servers_first_model_are_sent() -> None:
    server = CountingServer()
    result = bench(server.answer, {"Authorization": "Bearer secret"}, model="", num_requests=1)
    assert result.settings.model == "first"
    assert {body["model"] for body in server.bodies} == {"first"}
    assert server.headers[-1]["Authorization"] == "Bearer secret"
    assert "secret" not in json.dumps(str(result))


def test_server_that_fails_everything_is_counted() -> None:
    result = bench(saying(500, "no"), num_requests=3, load=AllAtOnce())
    assert [(each.kind, each.num) for each in result.summary.failures] == [("HTTP 500", 3)]
    assert any("lengths of prompts are words" in sentence for sentence in remarks(result))


def test_run_of_some_time_ends() -> None:
    script = Script(first_s=0.4)
    result = bench(streaming(script), num_requests=None, duration_s=1.0, load=Concurrent(2))
    assert result.summary.counts.num_requests == 6
    assert result.summary.duration_s == pytest.approx(1.2)


def test_reader_is_told_where_tokens_were_guessed() -> None:
    result = bench(streaming(Script()), num_requests=2)
    assert any("2 replies had no usage" in sentence for sentence in remarks(result))
