"""deploy/compose.yaml as a running stack, by the `docker compose` command and whatever serves it.

Needs an engine that answers, and the image: `docker build -f deploy/Dockerfile.cpu -t forge:cpu .`
Podman's engine does too (`podman system service`, DOCKER_HOST): where it runs without networks and
without systemd, the stack is put on the host's network, and its health checks are run from here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.files import DEPLOY
from tests.integration.hosts import free_port

OVERRIDE = Path(__file__).parent / "on_host_network.yaml"
IMAGE = os.environ.get("FORGE_IMAGE", "forge:cpu")
PROJECT = f"forge-test-{os.getpid()}"
ROLES = ("scheduler", "worker", "api")


def why_not_here() -> str | None:
    if shutil.which("docker") is None:
        return "there is no docker command"
    if docker("compose", "version").returncode != 0:
        return "docker has no compose plugin"
    if docker("info").returncode != 0 or not engine():
        return "no engine answers the docker command"
    if docker("image", "inspect", IMAGE).returncode != 0:
        return f"the image {IMAGE} is not built"
    return None


def docker(
    *words: str, timeout_s: float = 60, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    command = ["docker", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, env=environment
    )


def engine() -> str:
    """What the engine calls itself; empty where there is none."""
    said = docker("version", "--format", "{{json .Server.Components}}")
    if said.returncode != 0:
        return ""
    return str(json.loads(said.stdout)[0]["Name"])


class Stack:
    """`with Stack() as stack`: up and healthy; at the end it and all that it wrote is gone."""

    def __init__(self) -> None:
        self._ports = {
            f"TEST_{name}_PORT": str(free_port()) for name in ("CLIENT", "WORKER", "HTTP")
        }
        self._is_podman = "Podman" in engine()
        self._is_over = threading.Event()
        self._checker = threading.Thread(target=self._check_health)

    def __enter__(self) -> Stack:
        if self._is_podman:
            self._checker.start()
        done = self.compose("up", "--detach", "--wait", "--no-build", timeout_s=150)
        if done.returncode != 0:
            logs = self.compose("logs", "--tail", "30").stdout
            self.__exit__()
            pytest.fail(f"{done.stderr}\n{logs}")
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        if self._is_podman:
            self._checker.join()
        self.compose("down", "--volumes", "--timeout", "10", timeout_s=90)

    def compose(self, *words: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        overrides = ["-f", str(OVERRIDE)] if self._is_podman else []
        files = ["-f", str(DEPLOY / "compose.yaml"), *overrides]
        variables = {
            **self._ports,
            "FORGE_IMAGE": IMAGE,
            "FORGE_PUBLISHED_PORT": self._ports["TEST_HTTP_PORT"],
        }
        return docker("compose", "-p", PROJECT, *files, *words, timeout_s=timeout_s, **variables)

    def fetch(self, path: str, **body: Any) -> Any:
        data = json.dumps(body).encode() if body else None
        url = f"http://127.0.0.1:{self._ports['TEST_HTTP_PORT']}{path}"
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            return json.loads(reply.read())

    def wait_until_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.fetch("/readyz")
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def inspect(self, role: str) -> dict[str, Any]:
        said = docker("inspect", f"{PROJECT}-{role}-1")
        found: dict[str, Any] = json.loads(said.stdout)[0]
        return found

    def _check_health(self) -> None:
        """What systemd's timers do for podman elsewhere."""
        while not self._is_over.wait(0.5):
            for role in ROLES:
                command = ["podman", "healthcheck", "run", f"{PROJECT}-{role}-1"]
                subprocess.run(command, capture_output=True, timeout=30)
