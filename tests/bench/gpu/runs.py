"""Runs parts one after the other, each in a process that is ended when its time is over.

A process that faults on the device takes its own numbers with it, no others. Knows no part.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import msgspec

from tests.bench.gpu.ceilings import ceilings_of
from tests.bench.gpu.child import LastLine, ResultLine, Task, read_lines
from tests.bench.gpu.parts import CEILINGS
from tests.bench.gpu.results import Ended, PartReport
from tests.bench.gpu.roofline import Ceilings
from tests.bench.gpu.starts import CACHE_HOME

LEAST_S = 10.0  # less is not worth the start of a process
ENDING_S = 5.0
LOG_LINES = 30  # of a part that failed

Command = Callable[[Task], Sequence[str]]


def command_of(task: Task) -> list[str]:
    return [sys.executable, "-m", "tests.bench.gpu.child", msgspec.json.encode(task).decode()]


class Run(NamedTuple):
    """Where and how parts run; `until_s` by `perf_counter`."""

    folder: Path
    environment: Mapping[str, str]
    until_s: float
    command: Command = command_of
    least_s: float = LEAST_S

    def parts(self, budgets: Mapping[str, float]) -> list[PartReport]:
        """In the order given: ceilings first, without which nothing has a share."""
        reports: list[PartReport] = []
        ceilings: Ceilings | None = None
        for part, budget_s in budgets.items():
            report = self._part(part, budget_s, ceilings)
            reports.append(report)
            if part == CEILINGS and report.ended is Ended.DONE:
                ceilings = ceilings_of(report.results)
        return reports

    def _part(self, part: str, budget_s: float, ceilings: Ceilings | None) -> PartReport:
        started_s = perf_counter()
        limit_s = min(budget_s, self.until_s - started_s)
        if limit_s < self.least_s:
            return _absent(part, budget_s, "no time is left")
        print(f"… {part}, {limit_s:.0f} s at most", file=sys.stderr, flush=True)
        results = self.folder / f"{part}.jsonl"
        task = Task(part, str(self.folder), str(results), ceilings)
        seen = self._run_process(task, limit_s)
        lines = read_lines(results)
        told = [line for line in lines if isinstance(line, LastLine)]
        last = told[-1] if told else seen
        return PartReport(
            part=part,
            ended=last.ended,
            seconds=perf_counter() - started_s,
            budget_s=budget_s,
            reason=last.reason,
            results=[line.result for line in lines if isinstance(line, ResultLine)],
        )

    def _run_process(self, task: Task, limit_s: float) -> LastLine:
        """How it ended, as far as can be seen from outside."""
        log = self.folder / f"{task.part}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self.command(task),
                env=self._environment(task.part),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return LastLine(Ended.OUT_OF_TIME)
        except BaseException:  # Ctrl-C must not leave a process on the device
            _end(process)
            raise
        if process.returncode:
            print(_tail(log), file=sys.stderr)
        return LastLine(Ended.FAILED, f"it ended with {process.returncode}")

    def _environment(self, part: str) -> dict[str, str]:
        """One cache for all models, which nothing has been put into before the first of them."""
        cache = self.folder / ("cache" if part != CEILINGS else "cache-of-ceilings")
        cache.mkdir(exist_ok=True)
        return {**self.environment, CACHE_HOME: str(cache)}


def _absent(part: str, budget_s: float, reason: str) -> PartReport:
    return PartReport(
        part=part, ended=Ended.FAILED, seconds=0.0, budget_s=budget_s, reason=reason, results=[]
    )


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """And all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(process.pid, number)
        try:
            process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            continue
        return
