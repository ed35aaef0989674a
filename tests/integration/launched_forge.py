"""A running `forge-launch`: its processes, its address, what it said. Linux only (/proc)."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

READY = re.compile(r"Forge is ready: (?P<url>\S+)/v1 \(model (?P<model>.+)\)")
ENDPOINT = re.compile(r"services that speak ZMQ connect to (\S+)")
START_TIMEOUT_S = 120.0  # kernels may have to be compiled first


class Ended(NamedTuple):
    exit_code: int
    lines: list[str]

    @property
    def last_line(self) -> str:
        return self.lines[-1]


class LaunchedForge:
    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._is_ready = threading.Event()
        self.process = subprocess.Popen(
            argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> LaunchedForge:
        assert self._is_ready.wait(START_TIMEOUT_S), self.lines
        assert self._found(READY), self.lines  # else it has ended
        return self

    def wait_until_ended(self, timeout_s: float = START_TIMEOUT_S) -> Ended:
        exit_code = self.process.wait(timeout_s)
        self._reader.join()
        return Ended(exit_code, self.lines)

    @property
    def url(self) -> str:
        return self._said(READY)["url"]

    @property
    def model(self) -> str:
        return self._said(READY)["model"]

    @property
    def client_endpoint(self) -> str:
        return self._said(ENDPOINT)[1]

    @property
    def children(self) -> list[int]:
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in task.read_text().split()]

    def post(self, path: str, **body: Any) -> Any:
        return json.loads(self.open(path, **body).read())

    def open(self, path: str, **body: Any) -> Any:
        request = urllib.request.Request(  # noqa: S310 - it is our own http address
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        return urllib.request.urlopen(request, timeout=START_TIMEOUT_S)  # noqa: S310

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def destroy(self) -> None:
        """In a hurry, but so that it can still remove its run directory."""
        self.terminate()
        self.terminate()
        try:
            self.wait_until_ended(timeout_s=5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait_until_ended()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))
                if READY.search(line):
                    self._is_ready.set()
        self._is_ready.set()

    def _found(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        return next(filter(None, map(pattern.search, self.lines)), None)

    def _said(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = self._found(pattern)
        assert found, self.lines
        return found


def is_running(pid: int) -> bool:
    """Not when only its exit status is left, which is for init to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids: list[int], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, [pid for pid in pids if is_running(pid)]
        time.sleep(0.01)
