"""One real server for all conformance tests: forge-launch over a tiny model made on the spot.

Its text means nothing; what is tested is that the official client understands every reply.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.bench.random_model import Shape, write_random_model
from tests.bench.servers import free_port
from tests.small_tokenizers import byte_level_encoder, write_model_directory

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
KEY = "conformance"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    encoder = byte_level_encoder()
    write_random_model(path, Shape(64, 128, 2, 4, encoder.get_vocab_size()))
    return write_model_directory(path, encoder, {"eos_token": "<|im_end|>"})


@pytest.fixture(scope="session")
def base_url(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    log = tmp_path_factory.mktemp("log") / "forge.log"
    command = [sys.executable, "-m", "forge_common.supervisor.cli"]
    flags = ["--model-path", str(model_path), "--port", str(port), "--api-key", KEY]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *flags, "--backend", "cpu"], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/readyz", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.wait(STOP_TIMEOUT_S)


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(log.read_text())


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key=KEY, max_retries=0, timeout=30.0) as client:
        yield client
