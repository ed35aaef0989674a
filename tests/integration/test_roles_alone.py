"""Each role runs by itself, so that a stack can be put together by hand, or by others than us."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_common.client import ForgeClient, SamplingParams
from forge_common.errors import ConfigError

pytestmark = pytest.mark.integration


@pytest.fixture
def run_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="forge-test-") as directory:
        yield Path(directory)


def start_role(module: str, *argv: str, **variables: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FORGE_")}
    command = [sys.executable, "-m", module, *argv]
    environment = {**inherited, **variables}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def wait_until_it_says(process: subprocess.Popen[str], text: str) -> str:
    """The line with `text` in it; what came before is read past."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        if text in line:
            return line
        lines.append(line)
    raise AssertionError(lines)


def test_scheduler_and_worker_started_by_hand(run_dir: Path, small_model: Path) -> None:
    clients = ["--client-endpoint", f"ipc://{run_dir}/c"]
    workers = ["--worker-endpoint", f"ipc://{run_dir}/w"]
    worker = start_role("forge_worker", "--model-path", str(small_model), *workers)
    wait_until_it_says(worker, f"waiting for the scheduler at {workers[1]}")
    scheduler = start_role("forge_scheduler", *clients, *workers)
    wait_until_it_says(scheduler, f" info scheduler: waiting for a worker at {workers[1]}")
    with ForgeClient.connect(clients[1], timeout_s=20.0) as forge:
        outputs = list(forge.generate([1, 2], SamplingParams(max_tokens=4, seed=1)))
    assert sum(len(output.token_ids) for output in outputs) == 4
    scheduler.terminate()
    scheduler.communicate(timeout=10)
    assert scheduler.returncode == 0
    worker.communicate(timeout=10)  # it was dismissed
    assert worker.returncode == 0


def test_api_says_whom_it_waits_for(run_dir: Path, small_model: Path) -> None:
    flags = ["--client-endpoint", f"ipc://{run_dir}/c", "--port", "0"]
    api = start_role("forge_api", "--model-path", str(small_model), *flags)
    line = wait_until_it_says(api, "listening at http://127.0.0.1:")
    assert line.endswith(f", waiting for the scheduler at {flags[1]}\n")
    api.terminate()
    api.communicate(timeout=10)
    assert api.returncode == 0


@pytest.mark.parametrize("role", ["scheduler", "worker", "api"])
def test_role_without_its_endpoint_says_so(role: str, small_model: Path) -> None:
    argv = [] if role == "scheduler" else ["--model-path", str(small_model)]
    process = start_role(f"forge_{role}", *argv)
    _, said = process.communicate(timeout=20)
    assert process.returncode == ConfigError.EXIT_CODE
    assert said.startswith(f"forge-{role}: error: ")
    assert "-endpoint" in said


def test_role_tells_of_a_variable_that_nobody_reads() -> None:
    process = start_role("forge_scheduler", FORGE_WORKER_ENDPIONT="ipc://w")
    _, said = process.communicate(timeout=20)
    assert "warning scheduler: nothing reads the environment variable FORGE_WORKER_END" in said
    assert "did you mean FORGE_WORKER_ENDPOINT?" in said


@pytest.mark.parametrize("role", ["scheduler", "worker", "api"])
def test_role_has_help_of_its_own(role: str) -> None:
    command = [sys.executable, "-m", f"forge_{role}", "--help"]
    said = subprocess.run(command, capture_output=True, check=True, text=True, timeout=20).stdout
    assert said.startswith(f"Usage: forge-{role} [OPTIONS]")
