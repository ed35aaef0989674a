"""Tables say what was reached of what was hoped, and what is missing."""

from __future__ import annotations

import msgspec
import pytest

from tests.bench.gpu.results import (
    Bound,
    Ended,
    Goal,
    PartReport,
    Report,
    Result,
    report_of,
    table,
    text_of,
)

AT_LEAST = Goal(0.7, 0.8)
AT_MOST = Goal(3.0, 1.0, Bound.AT_MOST)


@pytest.mark.parametrize(
    ("share", "reached"), [(0.69, "no"), (0.7, "goal"), (0.79, "goal"), (0.8, "stretch")]
)
def test_goals_are_of_the_share(share: float, reached: str) -> None:
    result = Result(name="a", value=1e9, unit="ms", share=share, goal=AT_LEAST)
    assert result.reached == reached


@pytest.mark.parametrize(("value", "reached"), [(3.1, "no"), (3.0, "goal"), (0.9, "stretch")])
def test_without_a_share_they_are_of_the_value(value: float, reached: str) -> None:
    assert Result(name="idle", value=value, unit="%", goal=AT_MOST).reached == reached


def test_no_goal_is_neither_reached_nor_missed() -> None:
    assert Result(name="a", value=1.0, unit="s").reached == ""


def test_a_row_shows_goal_and_stretch() -> None:
    result = Result(name="a", value=12345.6, unit="tokens/s", share=0.75, goal=AT_LEAST, note="n")
    assert result.cells() == ("a", "12,346 tokens/s", "0.750", "≥ 0.7", "≥ 0.8", "goal", "n")


def test_a_table_has_a_line_a_result() -> None:
    lines = table([Result(name="a", value=1.0, unit="s"), Result(name="b", value=2.0, unit="s")])
    assert len(lines.splitlines()) == 4
    assert len({len(line) for line in lines.splitlines()}) == 1


@pytest.fixture
def report() -> Report:
    parts = [
        PartReport(
            part="one", ended=Ended.OUT_OF_TIME, seconds=9.0, budget_s=9.0,
            results=[Result(name="before the end", value=1.0, unit="s")],
        ),
        PartReport(
            part="two", ended=Ended.FAILED, seconds=1.0, budget_s=9.0, reason="it broke", results=[]
        ),
    ]  # fmt: skip
    return report_of({"GPU": "some card"}, parts)


def test_what_a_part_measured_before_it_ended_is_shown(report: Report) -> None:
    text = text_of(report)
    assert "GPU: some card" in text
    assert "before the end" in text
    assert "one: out of time after 9 s" in text
    assert "two: failed after 1 s it broke" in text


def test_a_report_comes_back_from_json(report: Report) -> None:
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
