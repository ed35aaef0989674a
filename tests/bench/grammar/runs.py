"""Runs of all engines in turns, each in a process of its own, and what they have in common.

The rounds of an engine ask the same questions in the same order. So each question has as many times
as there were rounds, of which the median counts: a neighbour's noise seldom falls on one question
twice. An engine that did not get through in its time is not asked again; what it got done counts.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from threading import Timer

import msgspec
from msgspec import Struct

from tests.bench.grammar.child import Begun, Line, MemoryHeld
from tests.bench.grammar.drive import CaseTimes, TogetherTimes

NUM_ROUNDS = 3
LIMIT_S = 25.0  # a run


class Run(Struct):
    """What one process has said."""

    begun: Begun | None = None
    cases: list[CaseTimes] = []
    together: TogetherTimes | None = None
    memory: MemoryHeld | None = None
    is_whole: bool = False


def run_in_turns(names: Sequence[str], num_tokens: int) -> dict[str, Run]:
    rounds: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(NUM_ROUNDS):
        for name, runs in rounds.items():
            if all(run.is_whole for run in runs):
                print(f"… {name}, {num_tokens:,} tokens, {number + 1}", file=sys.stderr, flush=True)
                runs.append(run_once(name, num_tokens, LIMIT_S))
    return {name: joined(runs) for name, runs in rounds.items()}


def run_once(name: str, num_tokens: int, limit_s: float) -> Run:
    command = [sys.executable, "-m", "tests.bench.grammar.child", name, str(num_tokens)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        if process.stdout is None:
            raise RuntimeError("the process has no pipe")
        timer = Timer(limit_s, process.kill)
        timer.start()
        lines = process.stdout.read().splitlines(keepends=True)
        timer.cancel()
    run = run_of(lines)
    run.is_whole = process.returncode == 0
    return run


def run_of(lines: Sequence[bytes]) -> Run:
    run = Run()
    for text in lines:
        if not text.endswith(b"\n"):
            break  # it was killed while it said this
        match msgspec.json.decode(text, type=Line):
            case Begun() as begun:
                run.begun = begun
            case CaseTimes() as case:
                run.cases.append(case)
            case TogetherTimes() as together:
                run.together = together
            case MemoryHeld() as memory:
                run.memory = memory
    return run


def joined(runs: Sequence[Run]) -> Run:
    """The first run, with the medians of all that are as long in place of its times."""
    first = runs[0]
    same = [run for run in runs if len(run.cases) == len(first.cases)]
    cases = [_joined_case(cases) for cases in zip(*(run.cases for run in same), strict=True)]
    together = [run.together for run in same if run.together is not None]
    return Run(
        first.begun,
        cases,
        _joined_together(together) if together else None,
        first.memory,
        all(run.is_whole for run in runs),
    )


def _joined_case(cases: Sequence[CaseTimes]) -> CaseTimes:
    return CaseTimes(
        cases[0].name,
        median(case.compile_s for case in cases),
        _medians([case.new_masks_s for case in cases]),
        _medians([case.seen_masks_s for case in cases]),
        cases[0].refused,
    )


def _joined_together(all_times: Sequence[TogetherTimes]) -> TogetherTimes:
    return TogetherTimes(
        all_times[0].num_cases,
        _medians([times.new_steps_s for times in all_times]),
        _medians([times.seen_steps_s for times in all_times]),
    )


def _medians(rounds: Sequence[list[float]]) -> list[float]:
    return [median(times) for times in zip(*rounds, strict=False)]
