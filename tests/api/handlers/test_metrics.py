"""GET /metrics, after requests of a known kind."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from forge_api.app import ROUTES
from forge_api.metrics import METHODS, OTHER_METHOD
from forge_api.route_label import UNKNOWN
from forge_common.protocol.api_scheduler import WorkerLoss
from forge_common.sampling import FinishReason
from tests.api.fakes import (
    HELLO,
    TOKENIZER,
    Api,
    FakeEngine,
    make_output,
    never_ends,
    serve,
    speaks,
    until,
)


def scrape(engine: FakeEngine, body: dict, **http: str) -> dict[str, float]:
    """What stands there after one request."""

    async def test(api: Api) -> str:
        await api.post("/v1/chat/completions", HELLO | body)
        return (await api.get("/metrics")).body.decode()

    return values_of(serve(engine, test, **http))


def values_of(text: str) -> dict[str, float]:
    """Sample values, keyed by name and the values of the labels."""
    families = text_string_to_metric_families(text)
    return {
        " ".join([sample.name, *map(sample.labels.get, sorted(sample.labels))]): sample.value
        for family in families
        for sample in family.samples
    }


def test_requests_and_their_latencies_are_counted() -> None:
    values = scrape(FakeEngine(speaks("hello world")), {})
    assert values["forge_requests_finished_total stop"] == 1
    assert values["forge_time_to_first_token_seconds_count"] == 1
    assert values["forge_inter_token_latency_seconds_count"] >= 1
    assert values["forge_http_requests_total POST /v1/chat/completions 200"] == 1


def test_the_schedulers_numbers_are_there() -> None:
    values = scrape(FakeEngine(speaks("hi")), {})
    assert values["forge_requests_running"] == 2
    assert values["forge_kv_cache_usage_ratio"] == 0.4
    assert values["forge_preemptions_total"] == 3
    assert values["forge_sequences_resumed_total"] == 8
    assert values["forge_worker_restarts_total gone"] == 2


def test_the_stages_of_a_request_are_timed() -> None:
    values = scrape(FakeEngine(speaks("hello world")), {})
    assert values["forge_request_queue_time_seconds_sum"] == 0.25
    for stage in ("prefill", "decode", "inference"):
        assert values[f"forge_request_{stage}_time_seconds_count"] == 1
        assert values[f"vllm:request_{stage}_time_seconds_count 0 tiny"] == 1


def test_first_token_counts_from_the_head_of_the_request() -> None:
    async def slow_body() -> AsyncIterator[bytes]:
        yield b" "
        await asyncio.sleep(0.03)
        yield msgspec.json.encode(HELLO)

    async def test(api: Api) -> str:
        api.services.model.template.render = slow_render
        headers = {"Content-Type": "application/json"}
        await api.send("POST", "/v1/chat/completions", data=slow_body(), headers=headers)
        return (await api.get("/metrics")).body.decode()

    values = values_of(serve(FakeEngine(speaks("hi")), test))
    assert values["forge_time_to_first_token_seconds_sum"] > 0.05
    stages = [values[f"forge_request_{stage}_time_seconds_sum"] for stage in ("queue", "prefill")]
    assert sum(stages) < 0.03


def slow_render(*_: object, **__: object) -> str:
    time.sleep(0.03)
    return "hello"


def test_sizes_of_requests_are_observed() -> None:
    values = scrape(FakeEngine(speaks("hello", group=99)), {"n": 2, "max_tokens": 50})
    num_tokens = len(TOKENIZER.encode("hello"))
    assert values["forge_request_generation_tokens_sum"] == 2 * num_tokens
    assert values["forge_request_max_generation_tokens_sum"] == num_tokens
    num_prompt_tokens = values["forge_request_prompt_tokens_sum"]
    assert values["forge_request_prefill_tokens_sum"] == num_prompt_tokens - 4
    assert values["vllm:request_params_n_sum 0 tiny"] == 2
    assert values["vllm:request_params_max_tokens_sum 0 tiny"] == 50


def test_the_same_under_vllms_names() -> None:
    values = scrape(FakeEngine(speaks("hi")), {})
    assert values["vllm:num_requests_running 0 tiny"] == 2
    assert values["vllm:kv_cache_usage_perc 0 tiny"] == 0.4
    assert values["vllm:request_success_total 0 stop tiny"] == 1
    assert values["vllm:time_to_first_token_seconds_count 0 tiny"] == 1


def test_vllms_names_can_be_left_out() -> None:
    values = scrape(FakeEngine(speaks("hi")), {}, metrics_compat="none")
    assert not [name for name in values if name.startswith("vllm")]


def test_unknown_fields_are_counted() -> None:
    values = scrape(FakeEngine(speaks("hi")), {"frobnicate": 1, "mood": 2})
    assert values["forge_ignored_parameters_total /v1/chat/completions"] == 2


def test_a_scheduler_that_is_away_leaves_its_numbers_out() -> None:
    engine = FakeEngine(speaks("hi"))
    engine.statistics = None
    assert "forge_requests_running" not in scrape(engine, {})


def test_a_request_that_fails_is_counted_as_an_error() -> None:
    def script(submit):
        yield make_output(submit, 0, [], FinishReason.ERROR)

    assert scrape(FakeEngine(script), {})["forge_requests_finished_total error"] == 1


def test_a_client_that_leaves_is_counted_as_an_abort() -> None:
    engine = FakeEngine(never_ends, delay_s=0.001)

    async def test(api: Api) -> str:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(api.post("/v1/chat/completions", HELLO), 0.05)
        await until(lambda: engine.aborted)
        return (await api.get("/metrics")).body.decode()

    assert 'forge_requests_finished_total{finished_reason="abort"} 1.0' in serve(engine, test)


def test_paths_that_clients_invent_share_one_label() -> None:
    async def test(api: Api) -> str:
        await api.get("/invented/one")
        await api.get("/invented/two")
        return (await api.get("/metrics")).body.decode()

    text = serve(FakeEngine(speaks("hi")), test)
    assert 'forge_http_requests_total{method="GET",route="unknown",status="404"} 2.0' in text


ODD_REQUESTS = (
    ("GET", "/v1/models/{}"),
    ("GET", "/{}"),
    ("{}", "/v1/models"),
    ("POST", "/v1/chat/completions?{}"),
    ("DELETE", "/metrics/{}"),
    ("PUT", "/v1/chat/completions"),
    ("GET", "/%2e%2e/{}"),
)


def test_odd_requests_add_no_series_beyond_those_that_the_first_of_a_kind_made() -> None:
    async def send_odd(api: Api, word: str) -> int:
        for method, path in ODD_REQUESTS:
            headers = {"Authorization": f"Bearer {word}", "X-Request-Id": word, "traceparent": word}
            await api.send(method.format(word), path.format(word), headers=headers)
        for body in ({"model": word}, {word: 1}, {"user": word}, {"stop": word}, {"seed": word}):
            await api.post("/v1/chat/completions", HELLO | body, headers={"X-Request-Id": word})
        return len(values_of((await api.get("/metrics")).body.decode()))

    async def test(api: Api) -> list[int]:
        await api.get("/metrics")
        return [await send_odd(api, word) for word in ("ONE", "TWO", "THREE", "FOUR")]

    counts = serve(FakeEngine(speaks("hi")), test)
    assert len(set(counts)) == 1
    assert counts[0] > 100


def test_every_label_has_a_closed_set_of_values() -> None:
    async def test(api: Api) -> str:
        await api.post("/v1/chat/completions", HELLO)
        await api.send("BREW", "/v1/chat/completions")
        await api.get("/v1/models/none")
        return (await api.get("/metrics")).body.decode()

    text = serve(FakeEngine(speaks("hi")), test)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels.keys() <= CLOSED_LABELS.keys() | {"le"}, sample
            for name, value in sample.labels.items():
                allowed = CLOSED_LABELS.get(name)
                assert allowed is None or value in allowed, sample


ROUTE_NAMES = {route.path.replace(":.+", "") for route in ROUTES}
REASONS = {str(reason) for reason in FinishReason}
CLOSED_LABELS: dict[str, set[str] | None] = {
    "method": {*METHODS, OTHER_METHOD},
    "route": {*ROUTE_NAMES, UNKNOWN},
    "status": {"200", "404", "405"},
    "finished_reason": REASONS,
    "reason": {*REASONS, "capacity"},
    "loss": {str(loss) for loss in WorkerLoss},
    "source": {"local_compute", "local_cache_hit"},
    "model_name": {"tiny"},
    "engine": {"0"},
    "block_size": None,  # of the engine that runs, as is the next: one series
    "num_gpu_blocks": None,
}
