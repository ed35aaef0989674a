"""TimeSlices: long work, some time of it now and the rest later, so that nobody waits long for it.

    attempt   on the caller's own thread; what is not done in time is given up
    resume    on a thread of the work's own, which stops where its time is over and goes on there

Only one works at a time, whoever it is: a thread that has stopped waits inside `look`, which the
work calls every now and then. Time is that of the thread's processor, so what else the machine does
counts for nothing. Knows nothing of what is worked out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Semaphore, Thread
from time import thread_time
from typing import Generic, NoReturn, TypeVar

Result = TypeVar("Result")


class Interrupted(BaseException):
    """Passes every `except Exception`: nothing is wrong with what was interrupted."""


class TakesLong(Interrupted):
    """An attempt's time is over."""


class Dropped(Interrupted):
    """Nobody wants to know any more."""


class LongWork(Generic[Result]):
    """Runs from one `go_on` to the next; over once it has a result or an error."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self.is_over = False
        self.spent_s = 0.0
        self._work = work
        self._outcome: Callable[[], Result] | None = None
        self._thread: Thread | None = None
        self._may_go_on = Semaphore(0)
        self._has_stopped = Semaphore(0)
        self._is_wanted = True
        self._until_s = 0.0
        self._time_s = 0.0

    def go_on(self, for_s: float) -> None:
        self._time_s = for_s
        if self._thread is None:
            self._thread = Thread(target=self._run, name="long mask", daemon=True)
            self._thread.start()
        else:
            self._may_go_on.release()
        self._has_stopped.acquire()

    def look(self) -> None:
        """By the work itself: returns once it may go on. Raises Dropped."""
        now_s = thread_time()
        if now_s < self._until_s:
            return
        self.spent_s = now_s
        self._has_stopped.release()
        self._may_go_on.acquire()
        if not self._is_wanted:
            raise Dropped
        self._until_s = thread_time() + self._time_s

    def drop(self) -> None:
        """What it has begun is left."""
        self._is_wanted = False
        if self._thread is not None and not self.is_over:
            self.go_on(0.0)

    def result(self) -> Result:
        """Once it is over; raises what the work raised."""
        if self._outcome is None:
            raise RuntimeError("this work is not over")
        return self._outcome()

    def _run(self) -> None:
        self._until_s = thread_time() + self._time_s
        try:
            found = self._work()
            self._outcome = lambda: found
        except (Exception, Interrupted) as raised:
            self._outcome = _raising(raised)
        finally:
            self.spent_s = thread_time()
            self.is_over = True
            self._has_stopped.release()


class TimeSlices:
    def __init__(self) -> None:
        self.spent_s = 0.0  # by the last attempt, since its first look
        self._at_work: LongWork[object] | None = None
        self._first_look_s: float | None = None
        self._time_s = math.inf

    def look(self) -> None:
        """To be called every now and then by whatever works."""
        if self._at_work is not None:
            self._at_work.look()
            return
        now_s = thread_time()
        if self._first_look_s is None:
            self._first_look_s = now_s
        if now_s - self._first_look_s >= self._time_s:
            raise TakesLong

    def attempt(self, work: Callable[[], Result], for_s: float) -> Result:
        """Raises TakesLong. What is over before its first look does not even ask for the time."""
        self._begin(for_s)
        try:
            return work()
        finally:
            began_s = self._first_look_s
            self.spent_s = 0.0 if began_s is None else thread_time() - began_s
            self._begin(math.inf)

    def _begin(self, for_s: float) -> None:
        self._time_s, self._first_look_s = for_s, None

    def resume(self, work: LongWork[Result], for_s: float) -> None:
        self._at_work = work  # type: ignore[assignment]
        try:
            work.go_on(for_s)
        finally:
            self._at_work = None

    def drop(self, work: LongWork[Result]) -> None:
        self._at_work = work  # type: ignore[assignment]
        try:
            work.drop()
        finally:
            self._at_work = None


def _raising(raised: BaseException) -> Callable[[], NoReturn]:
    def raise_it() -> NoReturn:
        raise raised

    return raise_it
