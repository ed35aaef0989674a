"""The three processes at work: they answer, share a port, and rest when nobody asks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from forge_common.client import (
    AsyncForgeClient,
    FinishReason,
    ForgeClient,
    RequestError,
    SamplingParams,
)
from tests.bench.processes import cpu_seconds
from tests.common.client.wire_page import python_example
from tests.integration.conftest import Launch
from tests.integration.launched_forge import LaunchedForge

pytestmark = pytest.mark.integration

IDLE_S = 3.0
MAX_IDLE_SHARE = 0.01  # one tick of the kernel's clock in a second, for each process
SAMPLING = SamplingParams(max_tokens=8, seed=1, temperature=0.0)


def test_completion_over_http(shared_forge: LaunchedForge) -> None:
    reply = shared_forge.post("/v1/completions", model="small", prompt="hello", max_tokens=4)
    assert reply["usage"]["completion_tokens"] <= 4
    assert isinstance(reply["choices"][0]["text"], str)


def test_same_tokens_over_zmq_and_http(shared_forge: LaunchedForge) -> None:
    reply = shared_forge.post(
        "/v1/completions",
        prompt=[5, 6, 7],
        max_tokens=8,
        temperature=0,
        ignore_eos=True,
        return_token_ids=True,
    )
    with ForgeClient.connect(shared_forge.client_endpoint) as forge:
        outputs = list(forge.generate([5, 6, 7], SAMPLING))
    token_ids = [token_id for output in outputs for token_id in output.token_ids]
    assert token_ids == reply["choices"][0]["token_ids"]
    assert outputs[-1].finish_reason is FinishReason.LENGTH


def test_text_over_zmq(shared_forge: LaunchedForge, small_model: Path) -> None:
    with ForgeClient.connect(shared_forge.client_endpoint, model_path=small_model) as forge:
        outputs = list(forge.generate("hello", SAMPLING))
        assert all(output.text is not None for output in outputs)


def test_example_of_the_docs_runs(shared_forge: LaunchedForge, small_model: Path) -> None:
    given = f"ENDPOINT, MODEL = {shared_forge.client_endpoint!r}, {str(small_model)!r}\n"
    command = [sys.executable, "-c", given + python_example()]
    said = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    assert said.startswith(b"4096 tokens of context\n")
    assert said.endswith(b"0 sequences run\n")


def test_scheduler_refuses_over_zmq_what_it_cannot_hold(shared_forge: LaunchedForge) -> None:
    with (
        ForgeClient.connect(shared_forge.client_endpoint) as forge,
        pytest.raises(RequestError) as caught,
    ):
        list(forge.generate([1] * 5000, SAMPLING))
    assert caught.value.code == "context_length_exceeded"


def test_many_requests_at_once_over_zmq(shared_forge: LaunchedForge) -> None:
    async def talk() -> list[int]:
        async with await AsyncForgeClient.connect(shared_forge.client_endpoint) as forge:

            async def count(first: int) -> int:
                outputs = forge.generate([first, 2], SAMPLING)
                return sum([len(output.token_ids) async for output in outputs])

            return await asyncio.gather(*map(count, range(40)))

    assert asyncio.run(talk()) == [8] * 40


def test_client_that_leaves_frees_its_blocks(shared_forge: LaunchedForge) -> None:
    with ForgeClient.connect(shared_forge.client_endpoint) as forge:
        next(forge.generate([1, 2], SamplingParams(max_tokens=4000, seed=1)))
    with ForgeClient.connect(shared_forge.client_endpoint) as forge:
        deadline = time.monotonic() + 5
        while forge.stats().num_running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert forge.stats().num_free_blocks == forge.stats().num_blocks


def test_idle_costs_nothing(shared_forge: LaunchedForge) -> None:
    shared_forge.post("/v1/completions", prompt="hello", max_tokens=4)
    time.sleep(0.2)
    pids = [shared_forge.process.pid, *shared_forge.children]
    before = {pid: cpu_seconds(pid) for pid in pids}
    time.sleep(IDLE_S)
    used = {pid: cpu_seconds(pid) - before[pid] for pid in pids}
    assert len(used) == 4
    assert max(used.values()) <= MAX_IDLE_SHARE * IDLE_S, used


def test_api_processes_share_the_port(launch: Launch) -> None:
    forge = launch("--api-workers", "2").wait_until_ready()
    for _ in range(40):
        urllib.request.urlopen(f"{forge.url}/v1/models", timeout=10).read()  # noqa: S310
    forge.terminate()
    ended = forge.wait_until_ended()
    for name in ("api-0", "api-1"):
        assert any(line.startswith(name) and "/v1/models" in line for line in ended.lines)
