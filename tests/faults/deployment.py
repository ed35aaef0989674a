"""A running deployment whose roles fail when asked: its processes by role, and what is free.

Linux only (/proc).
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from forge_common.client import ForgeClient
from forge_common.protocol.api_scheduler import SchedulerStats
from tests.faults.faulty_role import DIRECTORY_VARIABLE, ask_for
from tests.faults.streams import WAIT_S
from tests.integration.launched_forge import LaunchedForge

ROOT = Path(__file__).parent.parent.parent
SUPERVISOR = "supervisor"
Limits = tuple[int, int]  # soft and hard
MODULES = {"worker": "forge_worker", "scheduler": "forge_scheduler", "api": "forge_api"}
SETTINGS = {
    "--port": "0",
    "--dtype": "float32",
    "--kv-dtype": "float32",
    "--max-batch-size": "12",
    "--max-prefill-tokens": "64",
    "--step-timeout-s": "2",
    "--hang-timeout-s": "2",
    "--num-blocks": "1024",
    "--max-restarts": "1000",
}


class Deployment:
    def __init__(self, directory: Path, *argv: str, prefix: tuple[str, ...] = ()) -> None:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("FORGE_")
        }
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**inherited, DIRECTORY_VARIABLE: str(directory), "PYTHONPATH": path}
        settings = [word for setting in SETTINGS.items() for word in setting]
        self.run_dir = directory / "run"
        command = [sys.executable, "-m", "tests.faults.faulty_launch", *settings, *argv]
        command += ["--run-dir", str(self.run_dir)]
        self.forge = LaunchedForge([*prefix, *command], environment)
        self._directory = directory

    @property
    def url(self) -> str:
        return self.forge.url

    @property
    def endpoint(self) -> str:
        return f"ipc://{self.run_dir}/clients.sock"

    def pids_of(self, role: str) -> list[int]:
        """Those of its main processes, not of their helpers; the launcher is a role too here."""
        if role == SUPERVISOR:
            return [self.forge.process.pid]
        return [pid for pid in self.forge.children if command_of(pid).endswith(MODULES[role])]

    def pids(self) -> dict[str, list[int]]:
        return {role: sorted(self.pids_of(role)) for role in (SUPERVISOR, *MODULES)}

    def signal(self, role: str, number: signal.Signals) -> int:
        """Returns which process got it."""
        pid = self.pids_of(role)[0]
        os.kill(pid, number)
        return pid

    def ask_for(self, fault: str, role: str) -> None:
        ask_for(fault, MODULES[role], self._directory)

    def stats(self) -> SchedulerStats:
        with ForgeClient.connect(self.endpoint, timeout_s=WAIT_S) as client:
            return client.stats()

    def is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/readyz", timeout=10).close()  # noqa: S310
        except OSError:
            return False
        return True

    def wait_until_whole(self, num_api: int) -> None:
        """Until each role has its processes, and a request would be run."""
        wanted = {SUPERVISOR: 1, "worker": 1, "scheduler": 1, "api": num_api}
        deadline_s = time.monotonic() + WAIT_S
        while {role: len(pids) for role, pids in self.pids().items()} != wanted or not (
            self.is_ready() and self.stats().is_worker_ready
        ):
            assert time.monotonic() < deadline_s, self.forge.lines
            time.sleep(0.02)

    def wait_for_losses(self, role: str, pids: list[int]) -> set[int]:
        """Those of `pids` that are gone, as soon as one is."""
        deadline_s = time.monotonic() + WAIT_S
        while not (lost := set(pids) - set(self.pids_of(role))):
            assert time.monotonic() < deadline_s, self.forge.lines
            time.sleep(0.02)
        return lost

    def wait_until_free(self) -> None:
        """Until nothing runs or waits, and every block is free."""
        deadline_s = time.monotonic() + WAIT_S
        while (stats := self.stats()).num_free_blocks != stats.num_blocks:
            assert time.monotonic() < deadline_s, stats
            time.sleep(0.02)
        assert (stats.num_running, stats.num_waiting) == (0, 0)

    @contextmanager
    def full_disk(self, role: str) -> Iterator[None]:
        """Every write of the role's processes to a file fails: by a limit, as if by a full disk."""
        unlimited = self._limit_files(role, lambda limits: (0, limits[1]))
        try:
            yield
        finally:
            self._limit_files(role, lambda _: unlimited)

    def _limit_files(self, role: str, change: Callable[[Limits], Limits]) -> Limits:
        """Returns what the limits were."""
        limits = (0, 0)
        for pid in self.pids_of(role):
            limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, change(limits))
        return limits


def command_of(pid: int) -> str:
    """Without its last separator; empty where it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").replace("\0", " ")
    except OSError:
        return ""
