"""Starts Forge for a measurement, and stops it: the whole by `forge-launch`, or role by role.

Knows when a server is ready by asking it over HTTP; knows nothing of what is measured.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0


class Server(NamedTuple):
    """`pids` by role; times on the clock of `time.perf_counter`."""

    url: str
    pids: dict[str, int]
    started_at: float
    ready_at: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def launched(*flags: str) -> Iterator[Server]:
    """All of Forge under `forge-launch`."""
    port = free_port()
    started_at = time.perf_counter()
    launcher = _start("forge_common.supervisor.cli", "--port", str(port), *flags)
    with _stopped_at_exit([launcher]):
        url = f"http://127.0.0.1:{port}"
        ready_at = _wait_until_ready(url, launcher)
        yield Server(url, {"forge-launch": launcher.pid}, started_at, ready_at)


@contextlib.contextmanager
def with_stub_worker(*flags: str) -> Iterator[Server]:
    """The API and the scheduler as they are, and a worker that answers at once."""
    port = free_port()
    started_at = time.perf_counter()
    with tempfile.TemporaryDirectory() as run_dir:
        clients, workers = (f"ipc://{run_dir}/{name}" for name in ("clients", "workers"))
        links = ("--client-endpoint", clients, "--worker-endpoint", workers)
        roles = {
            "scheduler": _start("forge_scheduler", *links, *flags),
            "stub worker": _start("tests.bench.stub_worker", *links[2:]),
            "API": _start("forge_api", *links[:2], "--port", str(port)),
        }
        with _stopped_at_exit(list(roles.values())):
            url = f"http://127.0.0.1:{port}"
            ready_at = _wait_until_ready(url, roles["API"])
            pids = {name: process.pid for name, process in roles.items()}
            yield Server(url, pids, started_at, ready_at)


def _start(module: str, *flags: str) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name[:6] != "FORGE_"}
    return subprocess.Popen(
        [sys.executable, "-m", module, *flags], env=environment, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> float:
    deadline = time.perf_counter() + READY_TIMEOUT_S
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError),
            urllib.request.urlopen(f"{url}/readyz", timeout=5),  # noqa: S310 (our own server)
        ):
            return time.perf_counter()
        time.sleep(0.01)
    raise TimeoutError(f"{url} is not ready")


@contextlib.contextmanager
def _stopped_at_exit(processes: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
