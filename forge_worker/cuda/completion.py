"""CompletionWatch: wakes the worker's loop when a step on the device is done.

The loop sleeps in a poll of sockets; a device event is none. So one thread waits for the events,
in their order, asleep in the driver, and calls `wake` after each. It reads no result. Knows nothing
of steps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Self

from forge_common.errors import DeviceError
from forge_worker.cuda.device import Event


class CompletionWatch:
    """`with CompletionWatch(wake) as watch`: its thread ends with the block."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="completion-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._events.put(None)
        self._thread.join()

    def watch(self, event: Event) -> None:
        self._events.put(event)

    def _run(self) -> None:
        while (event := self._events.get()) is not None:
            with suppress(DeviceError):  # whoever asks for the step's results will meet it too
                event.wait()
            self._wake()
