"""WorkerSeat: which worker computes, which one stands by, and how the last one was lost.

A worker that introduces itself while another one serves stands by: it may be the next one already,
whose word came before the news that the last one is gone. Knows no socket and no request.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_common.errors import LinkError
from forge_common.protocol.api_scheduler import WorkerLoss
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import WorkerReady

MAX_REASON_CHARS = 500


class Worker(NamedTuple):
    """`peer` is the name it gave itself at this start, so it is its epoch too."""

    peer: bytes
    ready: WorkerReady


class Loss(NamedTuple):
    kind: WorkerLoss
    reason: str  # a sentence for a person


class Handover(NamedTuple):
    lost: Worker
    successor: Worker | None

    @property
    def is_same_process(self) -> bool:
        """It lost the connection as well, has forgotten all, and introduced itself anew."""
        if self.successor is None:
            return False
        return self.lost.ready.process_id == self.successor.ready.process_id


class WorkerSeat:
    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.last_loss: Loss | None = None
        self._standby: Worker | None = None
        self._vocab_size: int | None = None

    def check(self, ready: WorkerReady) -> None:
        """Raises LinkError where a worker is of no use here."""
        if ready.protocol_version != PROTOCOL_VERSION:
            raise LinkError(
                f"the worker speaks protocol {ready.protocol_version}, the scheduler "
                f"{PROTOCOL_VERSION}: install the same Forge everywhere"
            )
        if min(ready.num_blocks, ready.block_size, ready.max_model_len, ready.vocab_size) < 1:
            raise LinkError(f"the worker has nothing to serve with: {ready}")
        if self._vocab_size not in (None, ready.vocab_size):
            raise LinkError(
                f"the worker was replaced by one of another model: its vocabulary has "
                f"{ready.vocab_size} tokens, not {self._vocab_size}"
            )

    def take(self, worker: Worker) -> None:
        """Raises LinkError where `check` does."""
        self.check(worker.ready)
        self.worker = worker
        self._vocab_size = worker.ready.vocab_size

    def stand_by(self, worker: Worker) -> None:
        """Raises LinkError where `check` does. Only the last one stands by."""
        self.check(worker.ready)
        self._standby = worker

    def vacate(self, loss: Loss) -> Handover | None:
        """Who was lost, and who stands by to take the place; None where nobody was there."""
        if self.worker is None:
            return None
        handover = Handover(self.worker, self._standby)
        self.worker = self._standby = None
        self.last_loss = Loss(loss.kind, loss.reason[:MAX_REASON_CHARS])
        return handover
