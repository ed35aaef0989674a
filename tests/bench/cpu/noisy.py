"""A neighbour that never rests on one of the worker's cores: what it leaves of the speed.

Quiet and noisy runs take turns, each load once more than is counted. A worker that waits for the
thread which lost its core falls below one that does without it. Knows no peer.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.bench.cpu.cases import Load, decode
from tests.bench.cpu.engine import Asked
from tests.bench.cpu.rivals import Forge, forge

SPINNING = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
LOADS = (decode(1), decode(8))
GOAL = 0.5  # of the quiet speed


class Disturbed(NamedTuple):
    """Tokens a second, one run after the other."""

    noisy: list[float]
    quiet: list[float]

    @property
    def share(self) -> float:
        """Of the medians."""
        return statistics.median(self.noisy) / statistics.median(self.quiet)


@contextmanager
def neighbour() -> Iterator[None]:
    """On the last core that this process may use."""
    core = str(max(os.sched_getaffinity(0)))
    with subprocess.Popen([sys.executable, "-c", SPINNING, core]) as process:
        try:
            yield
        finally:
            process.kill()


def disturbed_lines(asked: Asked, num_rounds: int) -> Iterator[str]:
    """Of the table; the ratio is that of noisy to quiet."""
    with forge(asked) as engine:
        for load in LOADS:
            speeds = disturb(engine, load, num_rounds)
            noisy, quiet = (
                f"{statistics.median(s):.1f} ({min(s):.1f}–{max(s):.1f})" for s in speeds
            )
            yield f"{load.name}, noisy | {noisy} | quiet {quiet} | {speeds.share:.2f} | {GOAL} |"


def disturb(engine: Forge, load: Load, num_rounds: int) -> Disturbed:
    speeds = Disturbed([], [])
    engine.seconds(load)
    for _ in range(num_rounds):
        speeds.quiet.append(load.num_tokens / engine.seconds(load))
        with neighbour():
            speeds.noisy.append(load.num_tokens / engine.seconds(load))
    return speeds
