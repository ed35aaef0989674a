"""Parts run in processes of their own, and none takes another one's numbers away."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import msgspec
import pytest

from forge_common.errors import DeviceError
from tests.bench.gpu import child
from tests.bench.gpu.__main__ import main
from tests.bench.gpu.ceilings import COPY, PRODUCT
from tests.bench.gpu.child import LastLine, ResultLine, Task, read_lines
from tests.bench.gpu.parts import PARTS, Part, Place
from tests.bench.gpu.peers import Missing
from tests.bench.gpu.results import Ended, Goal, PartReport, Result
from tests.bench.gpu.roofline import Ceilings
from tests.bench.gpu.runs import Run

CEILINGS = [
    Result(name=COPY, value=4.0, unit="TB/s"),
    Result(name=PRODUCT, value=700.0, unit="TFLOP/s"),
]
ONE = Result(name="one", value=1.0, unit="s")

# A process that writes what it is told to, and then does as it is told.
WRITING = "import sys, time, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2]); "
THEN = {"end": "", "hang": "time.sleep(60)", "fault": "sys.exit('a fault')"}


def lines(results: list[Result], last: LastLine | None) -> str:
    written = [ResultLine(result) for result in results] + ([] if last is None else [last])
    return "".join(msgspec.json.encode(line).decode() + "\n" for line in written)


class Parts:
    """Fake processes, by part: what each writes, and what it does then."""

    def __init__(self, **parts: tuple[str, str]) -> None:
        done = LastLine(Ended.DONE)
        self.parts = {"ceilings": (lines(CEILINGS, done), "end"), **parts}
        self.tasks: list[Task] = []

    def command(self, task: Task) -> Sequence[str]:
        self.tasks.append(task)
        text, then = self.parts[task.part]
        return [sys.executable, "-c", WRITING + THEN[then], task.results, text]


def run(parts: Parts, folder: Path, budget_s: float = 30.0) -> dict[str, PartReport]:
    runs = Run(folder, os.environ, perf_counter() + 60, parts.command, least_s=0.1)
    return {report.part: report for report in runs.parts(dict.fromkeys(parts.parts, budget_s))}


def test_a_part_is_told_the_ceilings_of_this_run(tmp_path: Path) -> None:
    parts = Parts(one=(lines([ONE], LastLine(Ended.DONE)), "end"))
    reports = run(parts, tmp_path)
    assert reports["one"].ended is Ended.DONE
    assert reports["one"].results == [ONE]
    assert parts.tasks[1].ceilings == Ceilings(4e12, 700e12)


def test_a_fault_leaves_what_was_measured_and_the_other_parts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = (lines([ONE], LastLine(Ended.DONE)), "end")
    reports = run(Parts(broken=(lines([ONE], None), "fault"), whole=whole), tmp_path)
    assert reports["broken"].ended is Ended.FAILED
    assert reports["broken"].results == [ONE]
    assert "a fault" in capfd.readouterr().err
    assert reports["whole"].ended is Ended.DONE


def test_a_part_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    reports = run(Parts(slow=(lines([ONE], None), "hang")), tmp_path, budget_s=1.0)
    assert reports["slow"].ended is Ended.OUT_OF_TIME
    assert reports["slow"].results == [ONE]
    assert reports["slow"].seconds < 10


def test_without_ceilings_the_others_run_all_the_same(tmp_path: Path) -> None:
    parts = Parts(ceilings=("", "fault"), one=(lines([ONE], LastLine(Ended.DONE)), "end"))
    reports = run(parts, tmp_path)
    assert reports["ceilings"].ended is Ended.FAILED
    assert reports["one"].results == [ONE]
    assert parts.tasks[1].ceilings is None


def test_what_no_time_is_left_for_is_said(tmp_path: Path) -> None:
    runs = Run(tmp_path, os.environ, perf_counter() + 0.05, Parts().command)
    (report,) = runs.parts({"ceilings": 30.0})
    assert report.reason == "no time is left"


def test_all_parts_together_fit_into_ten_minutes() -> None:
    assert sum(part.budget_s for part in PARTS.values()) <= 580


GOAL = Goal(0.5)
SHARE = Result(name="share", value=2.0, unit="s", share=0.7, goal=GOAL)
KNOWN = Ceilings(1.0, 1.0)


def measured(
    monkeypatch: pytest.MonkeyPatch, folder: Path, error: Exception | None = None,
    ceilings: Ceilings | None = KNOWN,
) -> LastLine:  # fmt: skip
    def measure(place: Place):
        yield SHARE
        if error is not None:
            raise error

    monkeypatch.setattr(child, "PARTS", {"one": Part(1, measure)})
    task = Task("one", str(folder), str(folder / "results"), ceilings)
    return child.run(task, Place(folder, KNOWN))


@pytest.mark.parametrize(
    ("error", "ended", "reason"),
    [
        (None, Ended.DONE, ""),
        (Missing("no torch"), Ended.UNAVAILABLE, "no torch"),
        (DeviceError("the GPU is full"), Ended.FAILED, "the GPU is full"),
        (ValueError("odd"), Ended.FAILED, "ValueError('odd')"),
    ],
)
def test_how_a_part_ended_is_written_behind_its_results(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, ended: Ended, reason: str
) -> None:
    last = measured(monkeypatch, tmp_path, error)
    assert last == LastLine(ended, reason)
    assert read_lines(tmp_path / "results") == [ResultLine(SHARE), last]


def test_no_share_is_shown_of_ceilings_that_nobody_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measured(monkeypatch, tmp_path, ceilings=None)
    result = read_lines(tmp_path / "results")[0]
    assert result == ResultLine(Result(name="share", value=2.0, unit="s"))


def test_a_line_that_was_cut_off_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_text(lines([ONE], None) + lines([ONE], None)[:20])
    assert read_lines(path) == [ResultLine(ONE)]


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(SystemExit, match="unknown: nonsense; there are ceilings, start"):
        main(["nonsense"])
