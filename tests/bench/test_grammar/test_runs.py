"""Runs of several rounds become one: medians question by question."""

from __future__ import annotations

import msgspec
import pytest

from tests.bench.grammar import runs
from tests.bench.grammar.child import Begun, Line, MemoryHeld, rss_bytes
from tests.bench.grammar.drive import CaseTimes, TogetherTimes
from tests.bench.grammar.runs import Run, joined, run_in_turns, run_of

LINES: list[Line] = [
    Begun(32, 0.5),
    CaseTimes("a", 1.0, [1.0, 2.0], [3.0]),
    TogetherTimes(64, [1.0], [2.0]),
    MemoryHeld("all", 10, 5, None),
]


def encoded(lines: list[Line]) -> list[bytes]:
    return [msgspec.json.encode(line) + b"\n" for line in lines]


def test_lines_of_a_process_become_a_run() -> None:
    run = run_of(encoded(LINES))
    assert [run.begun, *run.cases, run.together, run.memory] == LINES


def test_line_that_was_cut_off_does_not_count() -> None:
    lines = encoded(LINES)
    assert run_of([lines[0], lines[1][:-5]]) == Run(begun=Begun(32, 0.5))


def test_each_question_has_the_median_of_its_rounds() -> None:
    rounds = [
        Run(cases=[CaseTimes("a", seconds, [seconds, 9 - seconds], [seconds])], is_whole=True)
        for seconds in (1.0, 5.0, 2.0)
    ]
    run = joined(rounds)
    assert run.cases == [CaseTimes("a", 2.0, [2.0, 7.0], [2.0])]
    assert run.is_whole


def test_steps_at_once_have_medians_too() -> None:
    rounds = [Run(together=TogetherTimes(64, [s, 4.0], [s])) for s in (1.0, 3.0, 2.0)]
    assert joined(rounds).together == TogetherTimes(64, [2.0, 4.0], [2.0])


def test_engine_that_ran_out_of_time_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def run_once(name: str, num_tokens: int, limit_s: float) -> Run:
        asked.append(name)
        return Run(is_whole=name == "quick")

    monkeypatch.setattr(runs, "run_once", run_once)
    found = run_in_turns(["quick", "slow"], 32)
    assert asked == ["quick", "slow", "quick", "quick"]
    assert found["quick"].is_whole
    assert not found["slow"].is_whole


def test_memory_of_this_process_is_read() -> None:
    assert rss_bytes() > 2**20
