"""ForgettingRunner: a runner that can be made to know nothing of a scheduler that is gone.

It is a last step that does it, one in which every sequence is released and none runs: whatever a
runner keeps of sequences, and on whatever device, is given up as at the end of any of them. The
model stays. Knows no sockets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_worker.runner import Runner

LOOK_AGAIN_S = 0.001


class ForgettingRunner:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._known: set[int] = set()  # sequence ids
        self._num_unanswered = 0

    def launch(self, batch: RunBatch) -> None:
        self._known.difference_update(batch.released)
        self._known.update(new.sequence_id for new in batch.new)
        self._runner.launch(batch)
        self._num_unanswered += 1

    def finished(self) -> list[BatchOutput]:
        outputs = self._runner.finished()
        self._num_unanswered -= len(outputs)
        return outputs

    def use_spare_time(self) -> None:
        self._runner.use_spare_time()

    def waking(self, wake: Callable[[], None]) -> AbstractContextManager[object]:
        return self._runner.waking(wake)

    def forget_all(self) -> None:
        """Returns when the steps in flight are over; nobody will ask for their answers."""
        self.launch(RunBatch(0, sorted(self._known), [], []))
        while self._num_unanswered > 0:
            if not self.finished():
                time.sleep(LOOK_AGAIN_S)
