"""Three processes that meet over tcp with keys, started as docs/hosts.md says."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from forge_common.client import AsyncForgeClient, ForgeClient, LinkError, SamplingParams
from forge_common.curve_keys import client_security, make_keys
from forge_common.errors import ConfigError
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import ToWorker, WorkerReady
from forge_common.transport import ClientChannel
from tests.integration.hosts import Hosts
from tests.integration.test_roles_alone import start_role

pytestmark = pytest.mark.integration

SAMPLING = SamplingParams(max_tokens=4, seed=1)
REFUSAL_S = 0.3


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Iterator[Hosts]:
    hosts = Hosts(tmp_path_factory.mktemp("hosts"), small_model)
    try:
        yield hosts.wait_until_ready()
    finally:
        hosts.destroy()


def num_tokens_over_http(hosts: Hosts) -> int:
    messages = [{"role": "user", "content": "Hi"}]
    reply = hosts.fetch("/v1/chat/completions", model="model", messages=messages, max_tokens=4)
    return int(json.loads(reply)["usage"]["completion_tokens"])


def is_refused(hosts: Hosts, keys: Path | None) -> bool:
    with pytest.raises(LinkError, match=r"is (refused|lost)"):
        ForgeClient.connect(hosts.client_endpoint, curve_keys=keys, timeout_s=REFUSAL_S)
    return num_tokens_over_http(hosts) == 4  # and nobody else noticed


def test_chat_completion_goes_through_all_three(hosts: Hosts) -> None:
    assert num_tokens_over_http(hosts) == 4


def test_service_with_its_key_is_served(hosts: Hosts) -> None:
    keys = hosts.host("client") / "keys"
    with ForgeClient.connect(hosts.client_endpoint, curve_keys=keys) as forge:
        assert sum(len(output.token_ids) for output in forge.generate([1, 2], SAMPLING)) == 4


def test_asyncio_service_with_its_key_is_served(hosts: Hosts) -> None:
    async def talk() -> int:
        keys = hosts.host("client") / "keys"
        connecting = AsyncForgeClient.connect(hosts.client_endpoint, curve_keys=keys)
        async with await connecting as forge:
            outputs = [output async for output in forge.generate([1, 2], SAMPLING)]
            return sum(len(output.token_ids) for output in outputs)

    assert asyncio.run(talk()) == 4


def test_client_without_keys_gets_nothing(hosts: Hosts) -> None:
    assert is_refused(hosts, None)


def test_client_with_a_foreign_key_gets_nothing(hosts: Hosts, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    shutil.copy(hosts.host("client") / "keys" / "server.key", tmp_path / "keys")
    assert is_refused(hosts, tmp_path / "keys")


def test_client_with_the_key_of_the_worker_gets_nothing(hosts: Hosts, tmp_path: Path) -> None:
    shutil.copytree(hosts.host("worker") / "keys", tmp_path / "keys")
    (tmp_path / "keys" / "worker.key_secret").rename(tmp_path / "keys" / "client.key_secret")
    assert is_refused(hosts, tmp_path / "keys")


def test_client_cannot_play_the_worker(hosts: Hosts) -> None:
    security = client_security(hosts.host("client") / "keys", "client")
    with zmq.Context() as context:
        false_worker = ClientChannel[ToWorker](
            context, hosts.worker_endpoint, ToWorker, b"worker-0", security
        )
        false_worker.send(WorkerReady(PROTOCOL_VERSION, 1, 1, 1, 1, 1))
        assert not false_worker.wait(REFUSAL_S)
        false_worker.close()
    assert num_tokens_over_http(hosts) == 4


def test_idle_processes_use_no_cpu_with_the_doorkeeper_awake(hosts: Hosts) -> None:
    time.sleep(0.1)
    before = hosts.cpu_seconds()
    time.sleep(1.0)
    used_s = {role: now - before[role] for role, now in hosts.cpu_seconds().items()}
    assert max(used_s.values()) <= 0.02, used_s  # two ticks of the clock


def test_worker_whose_key_is_refused_says_so_and_ends(hosts: Hosts, tmp_path: Path) -> None:
    keys = Path(shutil.copytree(hosts.host("client") / "keys", tmp_path / "keys"))
    (keys / "client.key_secret").rename(keys / "worker.key_secret")
    flags = ["--worker-endpoint", hosts.worker_endpoint, "--curve-keys", str(keys)]
    model = str(hosts.host("worker") / "model")
    worker = start_role("forge_worker", "--model-path", model, *flags)
    _, said = worker.communicate(timeout=20)
    assert worker.returncode == LinkError.EXIT_CODE
    assert said.splitlines()[-1].startswith("forge-worker: error: the scheduler refuses")


@pytest.mark.parametrize(
    ("role", "links"),
    [("scheduler", ["client", "worker"]), ("worker", ["worker"]), ("api", ["client"])],
)
def test_role_that_others_can_reach_demands_keys(
    role: str, links: list[str], small_model: Path
) -> None:
    argv = [] if role == "scheduler" else ["--model-path", str(small_model)]
    endpoints = [word for link in links for word in (f"--{link}-endpoint", "tcp://0.0.0.0:1")]
    process = start_role(f"forge_{role}", *argv, *endpoints)
    _, said = process.communicate(timeout=20)
    assert process.returncode == ConfigError.EXIT_CODE
    assert said.startswith(f"forge-{role}: error: tcp://0.0.0.0:1: other hosts can reach")
    assert "--curve-keys" in said


def test_they_end_in_peace(hosts: Hosts) -> None:
    """The last test of the module: the scheduler dismisses its worker."""
    assert hosts.end("scheduler", "api") == {"scheduler": 0, "worker": 0, "api": 0}


def test_scheduler_waits_for_a_worker_when_the_host_of_its_own_fails(
    tmp_path: Path, small_model: Path
) -> None:
    hosts = Hosts(tmp_path, small_model)
    try:
        hosts.wait_until_ready()
        with socket.create_connection(hosts.worker_address):
            pass  # a stranger who only knocks changes nothing
        assert num_tokens_over_http(hosts) == 4
        hosts.processes["worker"].kill()
        hosts.start_again("worker")
        assert num_tokens_over_http(hosts) == 4
        assert hosts.processes["scheduler"].poll() is None
    finally:
        hosts.destroy()


def test_worker_and_api_wait_for_another_scheduler_when_the_host_of_theirs_fails(
    tmp_path: Path, small_model: Path
) -> None:
    hosts = Hosts(tmp_path, small_model)
    try:
        hosts.wait_until_ready().processes["scheduler"].kill()
        hosts.start_again("scheduler")
        assert num_tokens_over_http(hosts) == 4
        assert all(process.poll() is None for process in hosts.processes.values())
    finally:
        hosts.destroy()
