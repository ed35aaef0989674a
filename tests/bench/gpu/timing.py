"""Times of work on the device, recorded as graphs so that no launch from Python counts.

Candidates take turns; of each the median of its replays counts. Knows no kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple

from tests.bench.gpu.machine import Machine, Stamp

Work = Callable[[int], None]  # queues it once; the number says the how-manieth time


class Effort(NamedTuple):
    """How long is measured."""

    min_run_s: float = 2e-3  # of one replay
    max_repeats: int = 200
    rounds: int = 7


class Candidate(NamedTuple):
    work: Work
    possible_s: float  # what it takes at best, by what must be read and multiplied


def median_seconds(
    machine: Machine, candidates: Mapping[str, Candidate], effort: Effort
) -> dict[str, float]:
    """Of each candidate, once."""
    repeats = {name: _repeats(candidate, effort) for name, candidate in candidates.items()}
    graphs = {}
    for name, candidate in candidates.items():
        candidate.work(0)  # a first use may load what cannot be loaded while a graph is recorded
        graphs[name] = machine.device.capture(_repeated(candidate.work, repeats[name]))
    samples: dict[str, list[tuple[Stamp, Stamp]]] = {name: [] for name in candidates}
    for _ in range(1 + effort.rounds):
        for name, graph in graphs.items():
            begun = machine.stamp()
            graph.launch()
            samples[name].append((begun, machine.stamp()))
        machine.device.synchronize()
    return {
        name: median(end.seconds_since(begun) for begun, end in pairs[1:]) / repeats[name]
        for name, pairs in samples.items()
    }


def _repeated(work: Work, count: int) -> Callable[[], None]:
    def run() -> None:
        for number in range(count):
            work(number)

    return run


def _repeats(candidate: Candidate, effort: Effort) -> int:
    return max(1, min(effort.max_repeats, math.ceil(effort.min_run_s / candidate.possible_s)))
