"""Runner: what the worker's loop asks of whatever computes steps.

    RunBatch ─▶ launch … finished ─▶ BatchOutput       in the order of launching

A runner on the host is done when `launch` returns; one on a device has only queued the step, and
wakes the loop later. Knows no sockets and no model.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch


class Runner(Protocol):
    def launch(self, batch: RunBatch) -> None:
        """Begin a step. WorkerError where `batch` breaks the protocol's contract."""

    def finished(self) -> list[BatchOutput]:
        """The answers that came to be known since this was last asked; never waits for one."""

    def use_spare_time(self) -> None:
        """Prepare, for some milliseconds at most, what makes later steps faster."""

    def waking(self, wake: Callable[[], None]) -> AbstractContextManager[object]:
        """Inside, `wake` is called from any thread once `finished` has something new to say."""
