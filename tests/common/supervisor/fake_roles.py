"""Runs a Supervisor over roles made of a few lines of Python: `python -m … < roles.json`.

In a process of its own, since a supervisor owns its process's signals and children. Standard input
is a JSON list of [name, stage, code]; `ready()`, `alive()`, `fail(message)` and `peer_lost(pid)`
stand ready for the code.
"""

from __future__ import annotations

import asyncio
import os
import sys

import msgspec

from forge_common.config import LaunchSettings
from forge_common.supervisor import restarts
from forge_common.supervisor.console import Console
from forge_common.supervisor.roles import Role
from forge_common.supervisor.supervisor import Supervisor

PRELUDE = """
import os, signal, subprocess, sys, time
from forge_common.lifeline import hold_lifeline
from forge_common.readiness import Readiness
hold_lifeline(os.environ)
ready, fail = Readiness.from_environment().ready, Readiness.from_environment().failed
progress = Readiness.from_environment().progress
peer_lost, alive = Readiness.from_environment().peer_lost, Readiness.from_environment().alive
def exit_slowly(seconds):
    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(seconds), print("bye"), sys.exit(0)))
"""


class Deployment(msgspec.Struct):
    roles: list[tuple[str, int, str]]
    restarted: list[str] = []
    reloaded: list[str] = []
    first_restart_delay_s: float = 0.01
    start_timeout_s: float = 20.0
    drain_timeout_s: float = 5.0
    hang_timeout_s: float = 10.0


async def supervise(deployment: Deployment) -> int:
    roles = [
        Role(
            name,
            stage,
            (sys.executable, "-c", PRELUDE + code),
            dict(os.environ),
            is_restarted=name in deployment.restarted,
            is_reloaded=name in deployment.reloaded,
        )
        for name, stage, code in deployment.roles
    ]
    restarts.FIRST_DELAY_S = deployment.first_restart_delay_s
    console = Console(sys.stderr, [role.name for role in roles])
    settings = LaunchSettings(
        start_timeout_s=deployment.start_timeout_s,
        drain_timeout_s=deployment.drain_timeout_s,
        hang_timeout_s=deployment.hang_timeout_s,
    )
    supervisor = Supervisor(
        console, settings, lambda: print("all ready", flush=True), stop_grace_s=1.5
    )
    outcome = await supervisor.run(roles)
    if outcome.reason:
        print(f"reason: {outcome.reason}", file=sys.stderr)
    return outcome.exit_code


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Deployment)
    sys.exit(asyncio.run(supervise(given)))
