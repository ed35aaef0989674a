"""Hung is told from busy by how long earlier steps took, and by nothing else."""

from __future__ import annotations

import pytest

from forge_scheduler.step_watch import (
    FACTOR,
    FIRST_LIMIT_S,
    FIRST_LIMIT_TOKEN_S,
    MAX_LATE_S,
    MIN_LIMIT_S,
    StepWatch,
)


class Watched:
    """A watch whose clock is moved by hand."""

    def __init__(self, timeout_s: float | None = None) -> None:
        self.now_s = 100.0
        self.watch = StepWatch(timeout_s, lambda: self.now_s)

    def run(self, num_tokens: int, took_s: float) -> None:
        self.watch.sent(num_tokens)
        self.now_s += took_s
        self.watch.answered()

    def is_overdue_after(self, seconds: float) -> bool:
        self.now_s += seconds
        return self.watch.is_overdue()


def test_nothing_is_awaited_while_nothing_runs() -> None:
    watched = Watched(5.0)
    assert watched.watch.remaining_s is None
    assert not watched.is_overdue_after(1000.0)
    watched.run(1, 0.1)
    assert watched.watch.remaining_s is None


def test_stated_limit_counts_from_the_sending() -> None:
    watched = Watched(5.0)
    watched.watch.sent(1)
    assert watched.watch.remaining_s == 5.0
    assert not watched.is_overdue_after(4.9)
    assert watched.is_overdue_after(0.2)
    assert watched.watch.remaining_s == 0.0


def test_step_behind_another_has_its_time_once_that_one_is_done() -> None:
    watched = Watched(5.0)
    for _ in range(2):
        watched.watch.sent(1)
    watched.now_s += 4.0
    watched.watch.answered()
    assert not watched.is_overdue_after(4.0)
    assert watched.is_overdue_after(1.5)


def test_first_steps_have_minutes() -> None:
    assert Watched().watch.limit_s(100) == FIRST_LIMIT_S + 100 * FIRST_LIMIT_TOKEN_S


def test_fast_steps_are_given_the_floor() -> None:
    watched = Watched()
    watched.run(1, 0.01)
    assert watched.watch.limit_s(1) == MIN_LIMIT_S


def test_slow_steps_are_given_a_multiple_of_the_slowest_of_their_size() -> None:
    watched = Watched()
    for took_s in (6.0, 8.0, 7.0):
        watched.run(1000, took_s)
    watched.run(4, 0.1)
    assert watched.watch.limit_s(1000) == pytest.approx(8.0 * FACTOR, rel=0.02)
    assert watched.watch.limit_s(4) == MIN_LIMIT_S


def test_larger_step_than_any_before_may_take_longer_in_proportion() -> None:
    watched = Watched()
    watched.run(1, 0.5)
    assert watched.watch.limit_s(4096) == 4096 * 0.5 * FACTOR


def test_smaller_step_than_any_before_is_bounded_by_the_larger() -> None:
    watched = Watched()
    watched.run(4096, 60.0)
    assert watched.watch.limit_s(1) == 60.0 * FACTOR


def test_one_bad_moment_is_forgotten() -> None:
    watched = Watched()
    watched.run(1, 50.0)
    assert watched.watch.limit_s(1) == 50.0 * FACTOR
    for _ in range(600):
        watched.run(1, 0.01)
    assert watched.watch.limit_s(1) == MIN_LIMIT_S


def test_nobody_is_blamed_where_this_process_stood_still_itself() -> None:
    watched = Watched(5.0)
    watched.watch.sent(1)
    assert not watched.is_overdue_after(5.0 + MAX_LATE_S + 1.0)
    assert watched.watch.remaining_s == 5.0
    assert watched.is_overdue_after(5.0)


def test_steps_of_a_lost_worker_are_not_awaited() -> None:
    watched = Watched(5.0)
    for _ in range(2):
        watched.watch.sent(1)
    watched.watch.clear()
    assert not watched.is_overdue_after(5.5)
    watched.watch.sent(1)
    assert watched.watch.remaining_s == 5.0
