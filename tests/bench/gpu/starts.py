"""Part `start`: how long a worker takes until it could serve, with no kernel compiled and with all.

Cold: every kernel is compiled and products are measured; warm: both lie in the cache. The disk is
no part of it: the file has holes where a real one has weights.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import msgspec

from tests.bench.gpu import goals
from tests.bench.gpu.results import Result
from tests.bench.gpu.starting import Started

CACHE_HOME = "XDG_CACHE_HOME"
WARM_STARTS = 3


class Start(NamedTuple):
    """`seconds` from the process's birth to the last thing it did."""

    seconds: float
    told: Started


def command(directory: Path) -> list[str]:
    return [sys.executable, "-m", "tests.bench.gpu.starting", str(directory)]


def measure_starts(
    name: str, command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[Result]:
    """The folder of caches that `environment` names must be empty, and is not afterwards."""
    if any(Path(environment[CACHE_HOME]).iterdir()):
        raise RuntimeError(f"{environment[CACHE_HOME]} is not empty: no start would be cold")
    cold = _start(command, environment)
    yield Result(
        name=f"{name} start, nothing cached",
        value=cold.seconds,
        unit="s",
        goal=goals.COLD_START,
        note="kernels compiled, products measured",
    )
    warm = sorted((_start(command, environment) for _ in range(WARM_STARTS)), key=_but_weights)
    middle = warm[len(warm) // 2]
    yield Result(
        name=f"{name} start, cached, but for reading weights",
        value=_but_weights(middle),
        unit="s",
        goal=goals.WARM_START,
        note=f"{middle.seconds:.2f} s in all",
    )
    yield Result(
        name=f"… {name} weights to the device",
        value=middle.told.weights_bytes / middle.told.weights_s / 1e9,
        unit="GB/s",
        note="from the page cache, the first weight not counted",
    )


def _start(command: Sequence[str], environment: Mapping[str, str]) -> Start:
    began_s = perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("the process has no pipe")
        line = process.stdout.readline()
        seconds = perf_counter() - began_s
    if process.returncode:
        raise RuntimeError(f"a start ended with {process.returncode}")
    return Start(seconds, msgspec.json.decode(line, type=Started))


def _but_weights(start: Start) -> float:
    return start.seconds - start.told.weights_s
