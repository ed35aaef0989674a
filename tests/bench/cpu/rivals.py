"""Two engines on one model, in turns: Forge in a process that stays, llama.cpp in a new one each.

In turns, because a noisy neighbour then meets both. Knows no format's name, and prints nothing.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.bench.cpu.cases import Load
from tests.bench.cpu.engine import Asked
from tests.bench.cpu.llama_cpp import LlamaCpp


class Speeds(NamedTuple):
    """Tokens a second, one run after the other."""

    forge: list[float]
    llama_cpp: list[float]  # empty where there is no peer

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return statistics.median(self.forge) / statistics.median(self.llama_cpp)

    @property
    def pairs(self) -> list[float]:
        """The ratio of each turn."""
        return [ours / theirs for ours, theirs in zip(self.forge, self.llama_cpp, strict=True)]


class Forge:
    """The engine in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._line()

    def seconds(self, load: Load) -> float:
        if self._process.stdin is None:
            raise RuntimeError("the engine's process has no input")
        self._process.stdin.write(msgspec.json.encode(load).decode() + "\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError("the engine's process ended")
        return line


@contextmanager
def forge(asked: Asked) -> Iterator[Forge]:
    command = [sys.executable, "-m", "tests.bench.cpu.engine", msgspec.json.encode(asked).decode()]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Forge(process)
        finally:
            process.kill()


class Peer(NamedTuple):
    programs: LlamaCpp
    model: Path
    num_threads: int

    def seconds(self, load: Load) -> float:
        return self.programs.seconds(self.model, load, self.num_threads)


def compare(ours: Forge, peer: Peer | None, load: Load, num_rounds: int) -> Speeds:
    """One run of each that is not counted, then `num_rounds` of each."""
    speeds = Speeds([], [])
    for number in range(num_rounds + 1):
        for rival, kept in ((ours, speeds.forge), (peer, speeds.llama_cpp)):
            if rival is not None and (number or rival is ours):
                speed = load.num_tokens / rival.seconds(load)
                if number:
                    kept.append(speed)
    return speeds
