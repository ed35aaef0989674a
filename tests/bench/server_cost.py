"""What serving costs beside the model: HTTP streams over a worker that answers at once.

The load comes from a process of its own; a process's cost is its CPU time, whoever shares the core.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from tests.bench.processes import cpu_seconds
from tests.bench.report import Figure
from tests.bench.servers import Server, with_stub_worker

NUM_STREAMS = 64
TOKENS_A_STREAM = 1000
ROLES = ("API", "scheduler")


def measure() -> Iterator[Figure]:
    with with_stub_worker() as server:
        _run_load(server, 8, 50)
        before = {role: cpu_seconds(server.pids[role]) for role in ROLES}
        outcome = _run_load(server, NUM_STREAMS, TOKENS_A_STREAM)
        used = {role: cpu_seconds(server.pids[role]) - before[role] for role in ROLES}
    num_tokens = outcome["num_tokens"]
    if outcome["num_failed"] or num_tokens != NUM_STREAMS * TOKENS_A_STREAM:
        raise RuntimeError(f"the load was not served: {outcome}")
    name = f"{NUM_STREAMS} HTTP streams, stub worker"
    yield Figure(name, num_tokens / outcome["seconds"], "tokens/s", "")
    yield Figure(
        "… a core of the API", num_tokens / used["API"], "tokens/s", "≥ 20,000 tokens/s a core"
    )
    for role in ROLES:
        yield Figure(f"… {role}", 1e6 * used[role] / num_tokens, "µs a token")


def _run_load(server: Server, num_streams: int, num_tokens: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.http_load", server.url]
    arguments = [str(num_streams), str(num_tokens)]
    finished = subprocess.run([*command, *arguments], check=True, stdout=subprocess.PIPE)
    outcome: dict[str, float] = json.loads(finished.stdout)
    return outcome
