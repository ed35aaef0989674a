"""WorkerDesk: does what each message of a worker asks, and says what the worker is to do next.

    first WorkerReady ─▶ a Scheduler ─▶ steps and answers ─▶ lost ─▶ next WorkerReady ─▶ it goes on

The Scheduler is made with the first worker and outlives each: while there is none, requests wait.
Knows neither a socket nor a client.
"""

from __future__ import annotations

import logging
import time
from typing import Protocol, assert_never

import msgspec

from forge_common.config import SchedulerConfig
from forge_common.errors import LinkError, WorkerError
from forge_common.protocol.api_scheduler import (
    SchedulerReady,
    SchedulerStats,
    SchedulerStatus,
    WorkerLoss,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import (
    BatchOutput,
    FromWorker,
    RunBatch,
    WorkerFailed,
    WorkerReady,
)
from forge_common.transport import Undecodable
from forge_scheduler.outputs import ClientOutputs
from forge_scheduler.policy import make_policy
from forge_scheduler.scheduler import Limits, Scheduler
from forge_scheduler.stats import Clock, starting_stats
from forge_scheduler.status import RecentStatus, starting_status
from forge_scheduler.step_watch import StepWatch
from forge_scheduler.worker_seat import Loss, Worker, WorkerSeat

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """Who is told what comes of it."""

    def on_news(self, news: ClientOutputs) -> None: ...

    def on_ready(self, ready: SchedulerReady) -> None: ...

    def on_worker_lost(self, worker: Worker) -> None:
        """It is of no use any more, whether it still runs or not."""
        ...


class WorkerDesk:
    def __init__(
        self, config: SchedulerConfig, listener: Listener, clock: Clock = time.monotonic
    ) -> None:
        self.scheduler: Scheduler | None = None
        self.ready: SchedulerReady | None = None
        self._config = config
        self._listener = listener
        self._seat = WorkerSeat()
        self._step_watch = StepWatch(config.batch.step_timeout_s, clock)
        self._epoch = time.time_ns() // 1000
        self._started_at_s = time.monotonic()
        self._seated_at_s = self._started_at_s  # the worker, if there is one
        self._recent_status = RecentStatus(self._make_status)

    @property
    def worker(self) -> bytes | None:
        """The name of the one that computes."""
        return None if self._seat.worker is None else self._seat.worker.peer

    def on_message(self, peer: bytes, message: FromWorker | Undecodable) -> None:
        """Raises LinkError when there is no serving with such a worker."""
        if isinstance(message, WorkerReady):
            self._on_worker_ready(Worker(peer, message))
        elif peer == self.worker:
            self._on_word_of_worker(message)
        else:
            logger.warning("a stranger at the worker's door is not listened to: %r", peer)

    def next_step(self) -> RunBatch | None:
        """What to send to the worker, if anything can run and it is not busy enough already."""
        if self.scheduler is None or self.worker is None:
            return None
        batch = self.scheduler.schedule()
        if batch is None:
            return None
        self._step_watch.sent(batch.num_tokens)
        return batch.to_run_batch()

    def on_unsent_step(self) -> None:
        """The last step found nobody to run it."""
        if self.scheduler is not None:
            self.scheduler.recall()
        self.on_lost_connection()

    def on_lost_connection(self) -> None:
        self._lose(Loss(WorkerLoss.GONE, "the connection to the worker is lost"))

    @property
    def step_remaining_s(self) -> float | None:
        """Until `lose_if_hung` has something to do; None while the worker has nothing to do."""
        return self._step_watch.remaining_s

    def lose_if_hung(self) -> None:
        if self._step_watch.is_overdue():
            self._lose(Loss(WorkerLoss.HUNG, "the worker does not come to the end of a step"))

    def stats(self) -> SchedulerStats:
        now_s = time.monotonic()
        uptime_s = now_s - self._started_at_s
        if self.scheduler is None:
            return msgspec.structs.replace(starting_stats(), uptime_s=uptime_s)
        loss = self._seat.last_loss
        return msgspec.structs.replace(
            self.scheduler.stats(),
            is_worker_ready=self.worker is not None,
            worker_loss=None if loss is None else loss.reason,
            uptime_s=uptime_s,
            worker_uptime_s=None if self.worker is None else now_s - self._seated_at_s,
        )

    def status(self) -> SchedulerStatus:
        return self._recent_status.get()

    def _make_status(self) -> SchedulerStatus:
        return starting_status() if self.scheduler is None else self.scheduler.status()

    def _on_worker_ready(self, worker: Worker) -> None:
        if self.worker is None:
            self._seat_worker(worker)
        elif self.worker == worker.peer:
            self._lose(Loss(WorkerLoss.BROKEN, "the worker introduced itself twice"))
        else:
            self._let_stand_by(worker)

    def _on_word_of_worker(self, message: BatchOutput | WorkerFailed | Undecodable) -> None:
        match message:
            case BatchOutput():
                self._on_batch_output(message)
            case WorkerFailed(reason=reason):
                self._lose(Loss(WorkerLoss.FAILED, f"the worker failed: {reason}"))
            case Undecodable(reason=reason):
                self._lose(Loss(WorkerLoss.BROKEN, f"the worker sent no message: {reason}"))
            case _:
                assert_never(message)

    def _on_batch_output(self, output: BatchOutput) -> None:
        if self.scheduler is None:
            return
        try:
            self._listener.on_news(self.scheduler.update(output))
            self._step_watch.answered()
        except WorkerError as error:
            self._lose(Loss(WorkerLoss.BROKEN, str(error)))

    def _lose(self, loss: Loss) -> None:
        """Requests go on with the next worker; what this one still says is a stranger's word."""
        self._step_watch.clear()
        handover = self._seat.vacate(loss)
        if handover is None or self.scheduler is None:
            return
        logger.warning("%s; what it ran goes on with the next one", loss.reason)
        self._listener.on_news(self.scheduler.lose_worker())
        if not handover.is_same_process:
            self._listener.on_worker_lost(handover.lost)
        if handover.successor is not None:
            self._seat_worker(handover.successor)

    def _let_stand_by(self, worker: Worker) -> None:
        try:
            self._seat.stand_by(worker)
        except LinkError as error:
            logger.warning("a second worker is not listened to: %s", error)
        else:
            logger.info("a second worker stands by: %r", worker.peer)

    def _seat_worker(self, worker: Worker) -> None:
        self._seat.take(worker)
        self._seated_at_s = time.monotonic()
        ready = worker.ready
        self.scheduler = self._scheduler_with(ready)
        self.ready = SchedulerReady(
            protocol_version=PROTOCOL_VERSION,
            epoch=self._epoch,
            max_model_len=self.scheduler.max_model_len,
            vocab_size=ready.vocab_size,
            block_size=ready.block_size,
            num_blocks=ready.num_blocks,
        )
        logger.info("serving with %d blocks of %d tokens", ready.num_blocks, ready.block_size)
        self._listener.on_ready(self.ready)

    def _scheduler_with(self, ready: WorkerReady) -> Scheduler:
        """A new one for the first worker; for any other the same, where it was."""
        scheduler, loss = self.scheduler, self._seat.last_loss
        if scheduler is None or loss is None:
            return _make_scheduler(self._config, ready)
        scheduler.counters.num_worker_restarts[loss.kind] += 1
        news = scheduler.resume(
            ready.num_blocks,
            ready.block_size,
            ready.max_model_len,
            _max_draft_tokens(self._config, ready),
        )
        self._listener.on_news(news)
        return scheduler


def _make_scheduler(config: SchedulerConfig, ready: WorkerReady) -> Scheduler:
    is_paged = config.cache.kv_cache == "paged"
    limits = Limits(
        max_batch_size=config.batch.max_batch_size,
        max_prefill_tokens=config.batch.max_prefill_tokens,
        max_model_len=ready.max_model_len,
        vocab_size=ready.vocab_size,
        max_queued_requests=config.queue.max_queued_requests,
        max_queued_tokens=config.queue.max_queued_tokens,
        max_grammar_bytes=config.queue.max_grammar_bytes,
        max_draft_tokens=_max_draft_tokens(config, ready),
        max_steps_in_flight=2 if config.batch.overlap else 1,
        has_prefix_cache=is_paged and config.cache.prefix_caching,
    )
    policy = make_policy(config.queue.policy)
    return Scheduler(limits, ready.num_blocks, ready.block_size, policy)


def _max_draft_tokens(config: SchedulerConfig, ready: WorkerReady) -> int:
    """What the settings ask for, as far as the worker takes it."""
    settings = config.speculation
    wanted = 0 if settings.speculative == "off" else settings.max_draft_tokens
    return min(wanted, ready.max_draft_tokens)
