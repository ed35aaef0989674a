"""The README's first minute, word for word: its commands are taken from the text and run."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.derived_docs import ROOT

pytestmark = pytest.mark.integration

README = (ROOT / "README.md").read_text()
ADDRESS = ("127.0.0.1", 8080)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def is_port_taken() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(ADDRESS) == 0


@pytest.fixture(scope="module")
def served() -> Iterator[None]:
    """The first shell block of the README, running."""
    if is_port_taken():
        pytest.skip("port 8080, which the README uses, is taken")
    environment = {name: value for name, value in os.environ.items() if name[:6] != "FORGE_"}
    server = subprocess.Popen(["bash", "-c", blocks("sh")[0]], cwd=ROOT, env=environment)
    try:
        wait_until_ready(server)
        yield
    finally:
        for pid in children_of(server.pid) or [server.pid]:
            with suppress(ProcessLookupError):  # it could not start, and the test says so
                os.kill(pid, signal.SIGINT)
        server.wait(timeout=30)


def wait_until_ready(server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen("http://127.0.0.1:8080/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("`make serve` did not become ready")


def children_of(pid: int) -> list[int]:
    """The launcher under `make` under the shell, as Ctrl-C in a terminal would reach it."""
    found = subprocess.run(["pgrep", "-P", str(pid)], stdout=subprocess.PIPE, check=False)
    children = [int(line) for line in found.stdout.split()]
    return [leaf for child in children for leaf in _launcher_below(child)]


def _launcher_below(pid: int) -> list[int]:
    with open(f"/proc/{pid}/cmdline", "rb") as command:
        is_launcher = b"forge-launch" in command.read()
    return [pid] if is_launcher else children_of(pid)


def test_the_curl_of_the_quick_start_streams_an_answer(served: None) -> None:
    finished = subprocess.run(
        ["bash", "-c", blocks("sh")[1]], stdout=subprocess.PIPE, timeout=60, check=True
    )
    assert finished.stdout.count(b"data: ") > 3
    assert finished.stdout.endswith(b"data: [DONE]\n\n")


def test_the_python_of_the_quick_start_prints_an_answer(served: None) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]], stdout=subprocess.PIPE, timeout=60, check=True
    )
    assert finished.stdout.strip()


def test_the_plan_is_printed_without_serving() -> None:
    command = [sys.executable, "-m", "forge_common.supervisor.cli", "--plan"]
    finished = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=True)
    assert b"KV" in finished.stdout
