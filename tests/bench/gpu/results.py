"""Results and what was hoped for them: one table to read, one JSON file for the log.

Knows nothing of how a result was obtained.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

COLUMNS = ("measured", "value", "share", "goal", "stretch", "reached", "note")


class Bound(StrEnum):
    AT_LEAST = "≥"
    AT_MOST = "≤"


class Goal(Struct, frozen=True):
    """Of a result's share where it has one, else of its value."""

    goal: float
    stretch: float | None = None
    bound: Bound = Bound.AT_LEAST

    def is_met(self, number: float, wanted: float) -> bool:
        return number >= wanted if self.bound is Bound.AT_LEAST else number <= wanted


class Result(Struct, frozen=True, kw_only=True):
    name: str
    value: float
    unit: str
    share: float | None = None  # of what is possible: of a roofline, of a ceiling
    goal: Goal | None = None
    note: str = ""

    @property
    def reached(self) -> str:
        if self.goal is None:
            return ""
        number = self.value if self.share is None else self.share
        if self.goal.stretch is not None and self.goal.is_met(number, self.goal.stretch):
            return "stretch"
        return "goal" if self.goal.is_met(number, self.goal.goal) else "no"

    def without_share(self) -> Result:
        """The same measurement, compared with nothing that it was to be a share of."""
        return self if self.share is None else replace(self, share=None, goal=None)

    def cells(self) -> tuple[str, ...]:
        goal, stretch = "", ""
        if self.goal is not None:
            goal = f"{self.goal.bound} {_number(self.goal.goal)}"
            if self.goal.stretch is not None:
                stretch = f"{self.goal.bound} {_number(self.goal.stretch)}"
        share = "" if self.share is None else f"{self.share:.3f}"
        value = f"{_number(self.value)} {self.unit}".strip()
        return self.name, value, share, goal, stretch, self.reached, self.note


class Ended(StrEnum):
    DONE = "done"
    FAILED = "failed"
    OUT_OF_TIME = "out of time"
    UNAVAILABLE = "not possible here"


class PartReport(Struct, frozen=True, kw_only=True):
    """What came of one part, be it whole or not."""

    part: str
    ended: Ended
    seconds: float
    budget_s: float
    reason: str = ""
    results: list[Result]


class Report(Struct, frozen=True, kw_only=True):
    started: str
    machine: dict[str, str]
    parts: list[PartReport]


def report_of(machine: dict[str, str], parts: list[PartReport]) -> Report:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(
        started=now, machine={**machine, "python": platform.python_version()}, parts=parts
    )


def text_of(report: Report) -> str:
    """The machine, the table, and what is missing from it."""
    machine = [f"{name}: {value}" for name, value in report.machine.items()]
    results = [result for part in report.parts for result in part.results]
    seconds = sum(part.seconds for part in report.parts)
    ends = [_end_of(part) for part in report.parts if part.ended is not Ended.DONE]
    return "\n".join([*machine, "", table(results), "", *ends, f"{seconds:.0f} s in all"])


def table(results: Sequence[Result]) -> str:
    rows = [COLUMNS, *(result.cells() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _end_of(part: PartReport) -> str:
    return f"{part.part}: {part.ended} after {part.seconds:.0f} s {part.reason}".strip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
