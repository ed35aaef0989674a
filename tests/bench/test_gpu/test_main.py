"""The command: its table, its file, and its exit code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.bench.gpu import __main__ as command
from tests.bench.gpu.parts import PARTS
from tests.bench.gpu.results import Ended, PartReport, Report, Result


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that were run, of which `8B` fails."""
    asked: list[str] = []

    def run(budgets: dict[str, float], time_limit_s: float) -> list[PartReport]:
        asked.extend(budgets)
        return [
            PartReport(
                part=part, ended=Ended.FAILED if part == "8B" else Ended.DONE, seconds=1.0,
                budget_s=budget_s, results=[Result(name=f"of {part}", value=1.0, unit="s")],
            )
            for part, budget_s in budgets.items()
        ]  # fmt: skip

    monkeypatch.setattr(command, "_run", run)
    return asked


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        command.main([*arguments])
    return int(ended.value.code)


def test_ceilings_are_always_measured(asked: list[str], tmp_path: Path) -> None:
    assert run("kernels", "1B", "--json", str(tmp_path / "log")) == 0
    assert asked == ["ceilings", "1B", "kernels"]


def test_all_parts_are_run_where_none_is_named(asked: list[str], tmp_path: Path) -> None:
    run("--json", str(tmp_path / "log"))
    assert asked == list(PARTS)


def test_a_part_that_failed_shows_in_the_exit_code(asked: list[str], tmp_path: Path) -> None:
    assert run("8B", "--json", str(tmp_path / "log")) == 1


def test_table_and_file_say_the_same(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("8B", "--json", str(tmp_path / "log"))
    report = msgspec.json.decode((tmp_path / "log").read_bytes(), type=Report)
    shown = capsys.readouterr().out
    assert [part.part for part in report.parts] == ["ceilings", "8B"]
    assert all(result.name in shown for part in report.parts for result in part.results)
    assert "8B: failed" in shown
