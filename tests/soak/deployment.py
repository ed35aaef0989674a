"""The deployment that is soaked: its processes by role, whether it is ready, how it is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from tests.integration.conftest import start_forge
from tests.integration.launched_forge import READY, LaunchedForge

# Kernels may have to be compiled first.
START_TIMEOUT_S = 300.0
POLL_S = 0.05
MODULES = {"worker": "forge_worker", "scheduler": "forge_scheduler", "api": "forge_api"}
NUM_API = 2
NUM_ROLES = 2 + NUM_API
FLAGS = ("--api-workers", str(NUM_API), "--max-restarts", "1000000", "--backend", "cpu")


class Deployment:
    def __init__(self, forge: LaunchedForge) -> None:
        self.forge = forge

    @classmethod
    async def start(cls, *flags: str) -> Deployment:
        """Raises TimeoutError where it does not become ready."""
        deployment = cls(start_forge(*FLAGS, *flags))
        async with asyncio.timeout(START_TIMEOUT_S):
            while not any(map(READY.search, deployment.forge.lines)):
                if deployment.forge.process.poll() is not None:
                    raise OSError(deployment.forge.lines[-1])
                await asyncio.sleep(POLL_S)
        return deployment

    @property
    def run_dir(self) -> Path:
        return Path(self.forge.client_endpoint.removeprefix("ipc://")).parent

    def pids(self) -> dict[int, str]:
        """Of the supervisor and its children: pid → role."""
        roles = {self.forge.process.pid: "supervisor"}
        for pid in self.forge.children:
            role = _role_of(pid)
            if role is not None:
                roles[pid] = role
        return roles

    def pids_of(self, role: str) -> list[int]:
        return [pid for pid, name in self.pids().items() if name == role]

    async def wait_until_whole(self) -> None:
        """Every process is there, and each answers that a request could be run."""
        while not (len(self.pids()) == NUM_ROLES + 1 and await self._is_ready()):
            await asyncio.sleep(POLL_S)

    async def health(self) -> dict[str, Any] | None:
        """Of some API process; None where none answers."""
        return await self._get("/forge/v1/health")

    async def _is_ready(self) -> bool:
        return await self._get("/readyz") is not None

    async def _get(self, path: str) -> dict[str, Any] | None:
        timeout = aiohttp.ClientTimeout(total=10.0)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self.forge.url + path) as reply,
            ):
                return await reply.json() if reply.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None


def _role_of(pid: int) -> str | None:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return None
    return next((role for role, module in MODULES.items() if module in arguments), None)
