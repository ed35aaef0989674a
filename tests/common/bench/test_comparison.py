"""Two results side by side."""

from __future__ import annotations

from forge_common.bench.comparison import comparison_table, difference_table
from forge_common.bench.load import Concurrent
from forge_common.bench.report import comparison_report
from tests.common.bench.builders import failed, observation, result

SLOW = result(observation(2, 4), num_requests=2)
FAST = result(observation(1, 2), load=Concurrent(8), num_requests=2)


def row(title: str) -> tuple[str, ...]:
    return next(tuple(row[1:]) for row in comparison_table(SLOW, FAST).rows if row[0] == title)


def test_ratio_is_second_over_first_and_says_who_is_better() -> None:
    assert row("TTFT p50") == ("2.00 s", "1.00 s", "0.5×", "better")
    assert row("requests/s") == ("0.25", "0.5", "2×", "better")


def test_worse_is_said_of_the_second() -> None:
    rows = {row[0]: row for row in comparison_table(FAST, SLOW).rows}
    assert rows["TTFT p99"][-1] == rows["output tokens/s"][-1] == "worse"


def test_alike_runs_have_no_verdict() -> None:
    assert {row[-1] for row in comparison_table(SLOW, SLOW).rows} == {""}


def test_what_one_run_has_not_is_left_empty() -> None:
    rows = {row[0]: row for row in comparison_table(SLOW, result(failed("timeout"))).rows}
    assert rows["TTFT p50"] == ("TTFT p50", "2.00 s", "", "", "")
    assert rows["failed requests"][1:] == ("0", "1", "", "")


def test_settings_that_differ_are_listed() -> None:
    assert difference_table(SLOW, FAST).rows == [("load.num_users", "1", "8")]
    assert "load.num_users" in comparison_report(SLOW, FAST)
    assert difference_table(SLOW, SLOW).rows == []
