"""The table says what was asked, what was reached, and what is missing."""

from __future__ import annotations

import pytest

from tests.bench.grammar.child import Begun, MemoryHeld
from tests.bench.grammar.drive import CaseTimes, TogetherTimes
from tests.bench.grammar.runs import Run
from tests.bench.grammar.table import by_shape, comparison, duration, markdown, quantile

FAST = Run(
    Begun(32, 0.1),
    [CaseTimes("shape", 4e-4, [1e-6] * 9 + [3e-4], [1e-6] * 10)],
    TogetherTimes(64, [2e-3], [1e-4]),
    MemoryHeld("all", 3 * 2**20, 2 * 2**20, 2**20),
    is_whole=True,
)
SLOW = Run(
    Begun(32, 0.1),
    [CaseTimes("shape", 2.0, [1e-3], [5e-6]), CaseTimes("b", refused="no")],
    is_whole=False,
)


def rows_of(table: str) -> dict[str, list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 5.0), (0.51, 6.0), (0.99, 10.0), (1.0, 10.0), (0.0, 1.0)]
)
def test_quantile_is_the_least_value_that_covers_its_share(share: float, expected: float) -> None:
    assert quantile([float(value) for value in range(10, 0, -1)], share) == expected


def test_nothing_has_no_quantile() -> None:
    assert quantile([], 0.5) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.234e-6, "1.23 µs"), (5e-8, "0.05 µs"), (0.1234, "123 ms"), (0.5e-3, "500 µs"), (2, "2 s")],
)
def test_durations_are_in_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_goals_stand_beside_and_what_misses_them_is_marked() -> None:
    rows = rows_of(comparison({"forge": SLOW, "peer": FAST}, {}))
    assert rows["compile, p50"] == ["≤ 500 µs", "2 s (missed)", "400 µs"]
    assert rows["mask, state seen before, p50"] == ["≤ 2 µs", "5 µs (missed)", "1 µs"]


def test_goals_are_of_forge_alone() -> None:
    assert "missed" not in comparison({"forge": FAST, "peer": SLOW}, {})


def test_missing_engine_has_a_column_without_numbers() -> None:
    rows = rows_of(comparison({"forge": FAST}, {"peer": "not installed"}))
    assert rows["measured"] == ["goal", "forge", "peer"]
    assert {rows[name][-1] for name in ("compile, p50", "masks", "schemas")} == {"–"}


def test_memory_and_refusals_are_told() -> None:
    rows = rows_of(comparison({"forge": FAST, "peer": SLOW}, {}))
    assert rows["cached, by the engine's count"] == ["", "1 MiB", "–"]
    assert rows["memory grown (RSS)"] == ["", "2 MiB", "–"]
    assert rows["schemas"] == ["", "1", "2 (1 refused, out of time)"]


def test_shapes_have_a_row_each() -> None:
    rows = rows_of(by_shape({"forge": SLOW, "peer": FAST}, 2))
    assert rows["shape"] == ["2 s / 1 ms", "400 µs / 30.9 µs"]
    assert rows["b"] == ["0 µs / – refused", "–"]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    lines = markdown([["a", "b"], ["long", ""]]).splitlines()
    assert lines == ["| a    | b |", "|------|---|", "| long |   |"]
