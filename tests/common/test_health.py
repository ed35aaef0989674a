"""Each role's check says no with a reason, and yes only to a process that does its work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from forge_common import health, ready_file
from forge_common.config import LinkSettings, SchedulerConfig
from forge_common.curve_keys import make_keys_by_role
from forge_common.errors import ConfigError
from forge_common.readiness import Readiness
from tests.integration.hosts import free_port

READER = """
import sys, time
from pathlib import Path
from forge_common.ready_file import write_ready_file
write_ready_file(Path(sys.argv[1]))
print("written", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has said in `tmp_path / "ready"` that it is ready."""
    command = [sys.executable, "-c", READER, str(tmp_path / "ready")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    yield process
    process.kill()
    process.communicate()


def why_worker(path: Path) -> str | None:
    return health.check(["worker"], {"FORGE_READY_FILE": str(path / "ready")})


def test_worker_that_said_so_is_ready(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    assert why_worker(tmp_path) is None


def test_worker_that_said_nothing_is_not_ready(tmp_path: Path) -> None:
    assert "not ready yet" in (why_worker(tmp_path) or "")


def test_worker_that_died_is_not_ready(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert "is gone" in (why_worker(tmp_path) or "")


def test_worker_that_is_stopped_is_not_ready(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 5
    while why_worker(tmp_path) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "is stopped" in (why_worker(tmp_path) or "")
    other.send_signal(signal.SIGCONT)


def test_file_of_an_earlier_process_of_the_same_number_counts_for_nothing(tmp_path: Path) -> None:
    earlier = ready_file.ReadyProcess(os.getpid(), 1)
    (tmp_path / "ready").write_bytes(ready_file.msgspec.json.encode(earlier))
    assert "is gone" in (why_worker(tmp_path) or "")


def test_file_that_says_nothing_sensible_is_named(tmp_path: Path) -> None:
    (tmp_path / "ready").write_text("yes")
    assert str(tmp_path / "ready") in (why_worker(tmp_path) or "")


def test_worker_without_a_ready_file_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="FORGE_READY_FILE"):
        health.check(["worker"], {})


def test_readiness_writes_the_file_where_there_is_no_launcher(tmp_path: Path) -> None:
    readiness = Readiness.from_environment({"FORGE_READY_FILE": str(tmp_path / "ready")})
    assert not readiness.is_supervised
    readiness.ready("512 blocks")
    assert why_worker(tmp_path) is None


def test_ready_file_that_cannot_be_written_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Readiness(None, tmp_path / "nowhere" / "ready").ready()
    assert "cannot say in" in caplog.text


class Reply(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(b"no worker")

    def log_message(self, *_: object) -> None:
        """Not in a test."""


class Refusal(Reply):
    status = 503


def why_api(handler: type[Reply]) -> str | None:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        environment = {"FORGE_HOST": "0.0.0.0", "FORGE_PORT": str(server.server_port)}  # noqa: S104
        try:
            return health.check(["api"], environment)
        finally:
            server.shutdown()
            thread.join()


def test_api_is_ready_when_it_says_so() -> None:
    assert why_api(Reply) is None


def test_api_that_says_no_is_quoted() -> None:
    assert why_api(Refusal) == "no worker"


def test_api_that_does_not_answer_is_not_ready() -> None:
    reason = health.check(["api"], {"FORGE_PORT": str(free_port())})
    assert "does not answer" in (reason or "")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a scheduler that listens on every address, with keys."""
    make_keys_by_role(tmp_path)
    return {
        "FORGE_CLIENT_ENDPOINT": f"tcp://0.0.0.0:{free_port()}",
        "FORGE_WORKER_ENDPOINT": f"tcp://127.0.0.1:{free_port()}",
        "FORGE_CURVE_KEYS": str(tmp_path / "scheduler"),
    }


def test_scheduler_whose_loop_answers_is_ready_and_stopped_it_is_not(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inherited = {name: value for name, value in os.environ.items() if name[:6] != "FORGE_"}
    command = [sys.executable, "-m", "forge_scheduler"]
    scheduler = subprocess.Popen(command, env=inherited | environment, stderr=subprocess.DEVNULL)
    try:
        assert health.check(["scheduler"], environment) is None  # it waits for it to be there
        scheduler.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(health, "TIMEOUT_S", 0.3)
        assert "does not answer" in (health.check(["scheduler"], environment) or "")
        scheduler.send_signal(signal.SIGCONT)
    finally:
        scheduler.kill()
        scheduler.wait()


def test_scheduler_that_is_not_there_is_not_ready(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "TIMEOUT_S", 0.2)
    assert "does not answer" in (health.check(["scheduler"], environment) or "")


def test_scheduler_without_an_endpoint_is_a_mistake() -> None:
    assert SchedulerConfig().links == LinkSettings()
    with pytest.raises(ConfigError, match="FORGE_CLIENT_ENDPOINT"):
        health.check(["scheduler"], {})


@pytest.mark.parametrize(
    ("stated", "asked"),
    [
        ("tcp://0.0.0.0:5701", "tcp://127.0.0.1:5701"),
        ("tcp://*:5701", "tcp://127.0.0.1:5701"),
        ("tcp://[::]:5701", "tcp://[::1]:5701"),
        ("tcp://10.0.0.1:5701", "tcp://10.0.0.1:5701"),
        ("ipc:///run/forge/clients", "ipc:///run/forge/clients"),
    ],
)
def test_endpoint_is_asked_where_it_can_be_reached(stated: str, asked: str) -> None:
    assert health.reachable(stated) == asked


def test_role_that_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="janitor"):
        health.check(["janitor"], {})
