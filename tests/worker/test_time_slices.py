"""Work that stops where its time is over goes on there, and others work meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from forge_worker.time_slices import Dropped, LongWork, TakesLong, TimeSlices

NO_TIME = 0.0
PLENTY = 60.0


def counting(slices: TimeSlices, said: list[int], most: int = 5) -> Callable[[], int]:
    def work() -> int:
        for number in range(most):
            said.append(number)
            slices.look()
        return most

    return work


def test_attempt_gives_what_was_done_in_time() -> None:
    slices = TimeSlices()
    assert slices.attempt(counting(slices, []), PLENTY) == 5


def test_attempt_that_takes_long_is_given_up() -> None:
    slices, said = TimeSlices(), list[int]()
    assert slices.attempt(lambda: 3, NO_TIME) == 3  # over before anyone looks at the time
    with pytest.raises(TakesLong):
        slices.attempt(counting(slices, said), NO_TIME)
    assert said == [0]
    slices.look()  # nobody is in a hurry any more


def test_long_work_goes_on_where_it_stopped_and_others_work_between() -> None:
    slices, said, others = TimeSlices(), list[int](), list[int]()
    long_work, other = LongWork(counting(slices, said)), LongWork(counting(slices, others))
    for index in range(5):
        for work in (long_work, other):
            slices.resume(work, NO_TIME)
            assert not work.is_over
        assert said == others == list(range(index + 1))
    slices.resume(long_work, NO_TIME)
    assert (long_work.is_over, long_work.result()) == (True, 5)
    slices.drop(other)


def test_time_enough_is_one_slice() -> None:
    slices = TimeSlices()
    work = LongWork(counting(slices, []))
    slices.resume(work, PLENTY)
    assert work.result() == 5
    assert 0 < work.spent_s < PLENTY


def test_error_of_long_work_is_raised_where_its_result_is_asked_for() -> None:
    def fail() -> int:
        raise ValueError("wrong")

    work, slices = LongWork(fail), TimeSlices()
    slices.resume(work, PLENTY)
    with pytest.raises(ValueError, match="wrong"):
        work.result()


def test_dropped_work_leaves_no_thread_behind() -> None:
    slices, said, before = TimeSlices(), list[int](), threading.active_count()
    work = LongWork(counting(slices, said))
    slices.resume(work, NO_TIME)
    slices.drop(work)
    assert (said, work.is_over) == ([0], True)
    with pytest.raises(Dropped):
        work.result()
    never_begun = LongWork(counting(slices, said))
    slices.drop(never_begun)
    for thread in threading.enumerate():
        if thread.name == "long mask":
            thread.join(5.0)
    assert threading.active_count() == before
