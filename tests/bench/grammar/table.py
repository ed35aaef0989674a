"""The table: a row a question, a column an engine, and what the issue asks of Forge.

Knows nothing of how a number was obtained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tests.bench.grammar.runs import Run

OURS = "forge"
NOTHING = "–"
MIB = 2**20


class Goal(NamedTuple):
    at_most_s: float

    def __str__(self) -> str:
        return f"≤ {duration(self.at_most_s)}"


class Question(NamedTuple):
    name: str
    answer: Callable[[Run], float | None]  # seconds
    goal: Goal | None = None


class Quantile(NamedTuple):
    name: str
    share: float


MEDIAN = Quantile("p50", 0.5)
P99 = Quantile("p99", 0.99)
P999 = Quantile("p99.9", 0.999)
WORST = Quantile("worst", 1.0)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The least value that `share` of all do not exceed; None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def duration(seconds: float) -> str:
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
    unit, scale = next((one for one in units if seconds >= one[1]), units[-1])
    value = seconds / scale
    return f"{value:.0f} {unit}" if value >= 99.5 else f"{value:.3g} {unit}"


def questions() -> list[Question]:
    return [
        Question("set-up for the vocabulary", _setup),
        *_quantiles("compile", _compile_times, {MEDIAN: 0.5e-3, P99: 20e-3, WORST: 1.0}),
        *_quantiles("mask, schema new", _new_masks, dict.fromkeys((MEDIAN, P99, P999, WORST))),
        *_quantiles(
            "mask, state seen before", _seen_masks,
            {MEDIAN: 2e-6, P99: 400e-6, P999: 5e-3, WORST: 50e-3},
        ),
        *_quantiles("64 schemas a step, new", _new_steps, dict.fromkeys((MEDIAN, WORST))),
        *_quantiles("64 schemas a step, seen", _seen_steps, dict.fromkeys((MEDIAN, WORST))),
    ]  # fmt: skip


def _setup(run: Run) -> float | None:
    return run.begun.setup_s if run.begun else None


def _quantiles(
    name: str, values: Callable[[Run], list[float]], goals: Mapping[Quantile, float | None]
) -> list[Question]:
    def answer(share: float) -> Callable[[Run], float | None]:
        return lambda run: quantile(values(run), share)

    return [
        Question(f"{name}, {one.name}", answer(one.share), None if goal is None else Goal(goal))
        for one, goal in goals.items()
    ]


def _compile_times(run: Run) -> list[float]:
    return [case.compile_s for case in run.cases if case.compile_s]


def _new_masks(run: Run) -> list[float]:
    return [seconds for case in run.cases for seconds in case.new_masks_s]


def _seen_masks(run: Run) -> list[float]:
    return [seconds for case in run.cases for seconds in case.seen_masks_s]


def _new_steps(run: Run) -> list[float]:
    return run.together.new_steps_s if run.together else []


def _seen_steps(run: Run) -> list[float]:
    return run.together.seen_steps_s if run.together else []


def comparison(runs: Mapping[str, Run], missing: Mapping[str, str]) -> str:
    """Of one vocabulary, with a column for those that are missing as well."""
    names = [*runs, *missing]
    rows = [["measured", "goal", *names]]
    for question in questions():
        answers = {name: question.answer(run) for name, run in runs.items()}
        cells = [_cell(question, name, answers.get(name)) for name in names]
        rows.append([question.name, str(question.goal or ""), *cells])
    for name, counts in _counts(runs).items():
        rows.append([name, "", *(counts.get(engine, NOTHING) for engine in names)])
    return markdown(rows)


def _cell(question: Question, name: str, seconds: float | None) -> str:
    if seconds is None:
        return NOTHING
    is_missed = name == OURS and question.goal is not None and seconds > question.goal.at_most_s
    return duration(seconds) + (" (missed)" if is_missed else "")


def _counts(runs: Mapping[str, Run]) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {
        "cached, by the engine's count": {},
        "memory grown (RSS)": {},
        "masks": {},
        "schemas": {},
    }
    for name, run in runs.items():
        if run.memory is not None:
            cached = run.memory.cached_bytes
            rows["cached, by the engine's count"][name] = (
                NOTHING if cached is None else _mib(cached)
            )
            rows["memory grown (RSS)"][name] = _mib(run.memory.rss_grown_bytes)
        rows["masks"][name] = f"{len(_new_masks(run)):,}"
        rows["schemas"][name] = _schemas(run)
    return rows


def _schemas(run: Run) -> str:
    num_refused = sum(case.refused is not None for case in run.cases)
    notes = [f"{num_refused} refused"] if num_refused else []
    if not run.is_whole:
        notes.append("out of time")
    return f"{len(run.cases)}" + (f" ({', '.join(notes)})" if notes else "")


def _mib(num_bytes: int) -> str:
    return f"{num_bytes / MIB:.0f} MiB"


def by_shape(runs: Mapping[str, Run], num_shapes: int) -> str:
    """Compile time, and the mean of the masks while a schema is new, a row a schema."""
    rows = [["schema: compile / mean mask", *runs]]
    first = next(iter(runs.values()))
    for index, case in enumerate(first.cases[:num_shapes]):
        rows.append([case.name, *(_shape_cell(run, index) for run in runs.values())])
    return markdown(rows)


def _shape_cell(run: Run, index: int) -> str:
    if index >= len(run.cases):
        return NOTHING
    case = run.cases[index]
    masks = case.new_masks_s
    mean = duration(sum(masks) / len(masks)) if masks else NOTHING
    return f"{duration(case.compile_s)} / {mean}" + (" refused" if case.refused else "")


def markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
