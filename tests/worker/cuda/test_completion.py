"""The loop is woken after each event, in order, and no thread is left behind."""

from __future__ import annotations

import threading

from forge_common.errors import DeviceError
from forge_worker.cuda.completion import CompletionWatch

TIMEOUT_S = 10.0


class FakeEvent:
    def __init__(self, fails: bool = False) -> None:
        self.happened = threading.Event()
        self.fails = fails

    def is_done(self) -> bool:
        return self.happened.is_set()

    def wait(self) -> None:
        assert self.happened.wait(TIMEOUT_S)
        if self.fails:
            raise DeviceError("a kernel failed")


def test_wakes_after_each_event_and_not_before() -> None:
    woken = threading.Semaphore(0)
    events = [FakeEvent(), FakeEvent()]
    with CompletionWatch(woken.release) as watch:
        for event in events:
            watch.watch(event)
        assert not woken.acquire(timeout=0.02)
        events[1].happened.set()  # later ones wait for earlier ones
        assert not woken.acquire(timeout=0.02)
        events[0].happened.set()
        assert woken.acquire(timeout=TIMEOUT_S)
        assert woken.acquire(timeout=TIMEOUT_S)


def test_failed_event_wakes_too() -> None:
    woken = threading.Semaphore(0)
    event = FakeEvent(fails=True)
    event.happened.set()
    with CompletionWatch(woken.release) as watch:
        watch.watch(event)
        assert woken.acquire(timeout=TIMEOUT_S)


def test_thread_ends_with_the_block() -> None:
    before = threading.active_count()
    with CompletionWatch(lambda: None):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
