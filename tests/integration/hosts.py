"""docs/hosts.md as a deployment: its commands, word for word, on "hosts" that are directories.

Each has the files that the page's table gives it, and no others. Addresses become 127.0.0.1, ports
free ones. Linux only (/proc).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.derived_docs import ROOT

PAGE = (ROOT / "docs" / "hosts.md").read_text()
MAKE_KEYS, *START = re.findall(r"```sh\n(.*?)\n```", PAGE, re.DOTALL)
ROLES = ("scheduler", "worker", "api")
FILES = dict(
    zip((*ROLES, "client"), re.findall(r"^\|.*?\|(.*\.key_secret.*?)\|", PAGE, re.M), strict=True)
)
START_TIMEOUT_S = 30.0


class Hosts:
    """Started when made; `end` says with which code each role ended."""

    def __init__(self, directory: Path, model: Path) -> None:
        self._directory = directory
        self._model = model
        self._ports = {port: str(free_port()) for port in ("5701", "5702", "8080")}
        self._run(MAKE_KEYS, directory).wait()
        self.processes = {
            role: self._run(command, self.host(role))
            for role, command in zip(ROLES, START, strict=True)
        }

    @property
    def client_endpoint(self) -> str:
        return self._here("tcp://10.0.0.1:5701")

    @property
    def worker_endpoint(self) -> str:
        return self._here("tcp://10.0.0.1:5702")

    @property
    def worker_address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self._ports["5702"])

    def host(self, role: str) -> Path:
        """The directory of a host, with `model` and `keys` in it."""
        path = self._directory / role
        if not path.exists():
            (path / "keys").mkdir(parents=True)
            copy(self._model, path / "model")
            if role != "worker":
                (path / "model" / "model.safetensors").unlink()
            for name in re.findall(r"`([^`]+)`", FILES[role]):
                copy(self._directory / "forge-keys" / name, path / "keys" / name)
        return path

    def wait_until_ready(self) -> Hosts:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                self.fetch("/readyz")
            except OSError:
                time.sleep(0.02)
            else:
                return self
        raise TimeoutError("the three processes did not find one another")

    def fetch(self, path: str, **body: Any) -> bytes:
        data = json.dumps(body).encode() if body else None
        url = self._here("http://10.0.0.3:8080") + path
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=START_TIMEOUT_S) as reply:  # noqa: S310
            content: bytes = reply.read()
            return content

    def cpu_seconds(self) -> dict[str, float]:
        """Used so far, by role."""
        return {role: cpu_seconds(process.pid) for role, process in self.processes.items()}

    def end(self, *roles: str) -> dict[str, int]:
        for role in roles:
            self.processes[role].terminate()
        return {role: self.processes[role].wait(timeout=10) for role in self.processes}

    def start_again(self, role: str) -> None:
        """As a service manager does with what has ended."""
        self.processes[role].wait(timeout=10)
        self.processes[role] = self._run(START[ROLES.index(role)], self.host(role))

    def destroy(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    def _run(self, command: str, cwd: Path) -> subprocess.Popen[bytes]:
        inherited = {name: value for name, value in os.environ.items() if name[:6] != "FORGE_"}
        path = f"{Path(sys.executable).parent}:{inherited.get('PATH', '')}"
        argv = shlex.split(self._here(command))
        return subprocess.Popen(argv, cwd=cwd, env={**inherited, "PATH": path})

    def _here(self, text: str) -> str:
        text = re.sub(r"\b10\.0\.0\.\d\b", "127.0.0.1", text)
        return re.sub(r"\b(5701|5702|8080)\b", lambda found: self._ports[found[1]], text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
