"""Service: does what each message asks, and says what must be said, to clients and to the worker.

Sits between the loop, which owns the sockets, and the Scheduler, which owns the requests. Knows
neither a socket nor a policy.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from typing import assert_never

from msgspec import Struct

from forge_common.config import SchedulerConfig
from forge_common.errors import LinkError, RequestError, RequestErrorKind, WorkerError
from forge_common.protocol.api_scheduler import (
    Abort,
    Accepted,
    ClientMessage,
    GetStats,
    Hello,
    KeepAlive,
    Malformed,
    Outputs,
    Rejected,
    SchedulerReady,
    SequenceOutput,
    Submit,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import (
    BatchOutput,
    FromWorker,
    RunBatch,
    WorkerFailed,
    WorkerReady,
)
from forge_common.sampling import FinishReason
from forge_common.transport import PeerGone, PeerSlow, Undecodable
from forge_scheduler.malformed import answer_to
from forge_scheduler.outbox import Outbox
from forge_scheduler.policy import make_policy
from forge_scheduler.pulse import Pulse
from forge_scheduler.scheduler import ClientOutputs, Limits, Scheduler
from forge_scheduler.sequence import RequestKey
from forge_scheduler.stats import starting_stats
from forge_scheduler.waiting_queue import QueueFull

logger = logging.getLogger(__name__)


class Service:
    """Serves once a worker has reported ready; takes nothing new once `is_stopping` says so."""

    def __init__(
        self,
        config: SchedulerConfig,
        outbox: Outbox,
        is_stopping: Callable[[], bool],
        pulse: Pulse,
    ) -> None:
        self.worker: bytes | None = None
        self._is_stopping = is_stopping
        self._config = config
        self._outbox = outbox
        self._pulse = pulse
        self._news: ClientOutputs = defaultdict(list)
        self._waiting_for_ready: set[bytes] = set()
        self._scheduler: Scheduler | None = None
        self._ready: SchedulerReady | None = None

    @property
    def is_finished(self) -> bool:
        """Every request has ended, and every client has its last output."""
        return self._outbox.is_empty and (self._scheduler is None or self._scheduler.is_empty)

    @property
    def remaining_s(self) -> float | None:
        """Until `keep_alive` has something to do; None while nobody is served."""
        is_idle = self._scheduler is None or self._scheduler.is_empty
        return None if is_idle else self._pulse.remaining_s

    def on_worker_message(self, peer: bytes, message: FromWorker | Undecodable) -> None:
        """Raises WorkerError or LinkError when there is no going on with this worker."""
        is_worker = peer == self.worker
        is_introduction = self.worker is None and isinstance(message, WorkerReady)
        if not is_worker and not is_introduction:
            logger.warning("a stranger at the worker's door is not listened to: %r", peer)
            return
        match message:
            case WorkerReady():
                self._on_worker_ready(peer, message)
            case BatchOutput():
                self._on_batch_output(message)
            case WorkerFailed():
                raise WorkerError(f"the worker failed: {message.reason}")
            case Undecodable():
                raise LinkError(f"the worker sent no message of ours: {message.reason}")
            case _:
                assert_never(message)

    def on_client_message(self, client: bytes, message: ClientMessage | Undecodable) -> None:
        match message:
            case Hello():
                self._on_hello(client, message)
            case Submit():
                self._on_submit(client, message)
            case Abort():
                self._on_abort(client, message)
            case GetStats():
                scheduler = self._scheduler
                self._post(client, starting_stats() if scheduler is None else scheduler.stats())
            case Undecodable():
                self._on_undecodable(client, message)
            case _:
                assert_never(message)

    def next_step(self) -> RunBatch | None:
        """What to send to the worker, if anything can run and it is not busy enough already."""
        batch = None if self._scheduler is None else self._scheduler.schedule()
        return None if batch is None else batch.to_run_batch()

    def send_news(self) -> None:
        """One message for each client that has outputs, after what was held back for it."""
        for client in self._outbox.flush():
            self._end_client(client)
        news, self._news = self._news, defaultdict(list)
        for client, sequence_outputs in news.items():
            if sequence_outputs:
                self._post(client, Outputs(sequence_outputs))

    def keep_alive(self) -> None:
        """Say something to those who wait in silence: whoever is gone then loses its requests."""
        if self._scheduler is not None and self._pulse.remaining_s == 0:
            for client in self._pulse.quiet(self._scheduler.clients):
                self._post(client, KeepAlive())
            self._pulse.beat()

    def on_lost_connection(self) -> None:
        """Some client may be gone; sending will show which."""
        self._pulse.hurry()

    def end_all(self, reason: FinishReason, error: str | None = None) -> None:
        """End every request, and say so."""
        if self._scheduler is not None:
            self._add_news(self._scheduler.end_all(reason, error=error))
            self.send_news()

    def _on_worker_ready(self, peer: bytes, ready: WorkerReady) -> None:
        _check_worker(ready)
        if self._scheduler is not None:
            raise WorkerError("the worker started again and has lost its state")
        self.worker = peer
        self._scheduler = _make_scheduler(self._config, ready)
        self._ready = SchedulerReady(
            protocol_version=PROTOCOL_VERSION,
            epoch=time.time_ns() // 1000,
            max_model_len=self._scheduler.max_model_len,
            vocab_size=ready.vocab_size,
            block_size=ready.block_size,
            num_blocks=ready.num_blocks,
        )
        logger.info("serving with %d blocks of %d tokens", ready.num_blocks, ready.block_size)
        for client in self._waiting_for_ready:
            self._post(client, self._ready)
        self._waiting_for_ready.clear()

    def _on_batch_output(self, output: BatchOutput) -> None:
        if self._scheduler is None:
            raise WorkerError("the worker answered before it was ready")
        self._add_news(self._scheduler.update(output))

    def _on_hello(self, client: bytes, hello: Hello) -> None:
        if hello.protocol_version != PROTOCOL_VERSION:
            self._post(client, Malformed(f"protocol_version: this is {PROTOCOL_VERSION}"))
        elif self._ready is None:
            self._waiting_for_ready.add(client)
        else:
            self._post(client, self._ready)

    def _on_submit(self, client: bytes, submit: Submit) -> None:
        try:
            self._open_scheduler().submit(client, submit)
        except RequestError as error:
            self._post(client, _rejection(submit.request_id, error))
        else:
            self._post(client, Accepted(submit.request_id))

    def _on_abort(self, client: bytes, abort: Abort) -> None:
        if self._scheduler is not None:
            key = RequestKey(client, abort.request_id)
            self._add_news({client: self._scheduler.abort(key, abort.choice_index)})

    def _on_undecodable(self, client: bytes, undecodable: Undecodable) -> None:
        answer = answer_to(undecodable)
        if isinstance(answer, Rejected) and self._scheduler is not None:
            self._scheduler.counters.num_rejected += 1
        self._post(client, answer)

    def _open_scheduler(self) -> Scheduler:
        """The one to submit to. Raises RequestError before there is one, and while stopping."""
        if self._is_stopping():
            raise _unavailable("the server is shutting down", "shutting_down")
        if self._scheduler is None:
            raise _unavailable("the model is still loading", "starting")
        return self._scheduler

    def _add_news(self, news: ClientOutputs) -> None:
        for client, sequence_outputs in news.items():
            self._news[client] += sequence_outputs

    def _post(self, client: bytes, message: Struct) -> None:
        try:
            self._outbox.post(client, message)
            self._pulse.heard(client)
        except PeerGone:
            self._end_client(client)
        except PeerSlow:
            self._on_slow_client(client)

    def _on_slow_client(self, client: bytes) -> None:
        """What was held back goes; the ends of its sequences are all it gets if it ever reads."""
        ended = self._end_client(client, "the client does not read its outputs")
        if self._scheduler is None or not ended:
            self._outbox.forget(client)
            return
        self._scheduler.counters.num_slow_clients += 1
        self._outbox.hold_only(client, Outputs(ended))
        logger.warning("a client does not read: %d of its sequences are aborted", len(ended))

    def _end_client(self, client: bytes, error: str | None = None) -> list[SequenceOutput]:
        if self._scheduler is None:
            return []
        return self._scheduler.end_all(FinishReason.ABORT, client=client, error=error)[client]


def _check_worker(ready: WorkerReady) -> None:
    if ready.protocol_version != PROTOCOL_VERSION:
        raise LinkError(
            f"the worker speaks protocol {ready.protocol_version}, the scheduler "
            f"{PROTOCOL_VERSION}: install the same Forge everywhere"
        )
    if min(ready.num_blocks, ready.block_size, ready.max_model_len, ready.vocab_size) < 1:
        raise LinkError(f"the worker has nothing to serve with: {ready}")


def _make_scheduler(config: SchedulerConfig, ready: WorkerReady) -> Scheduler:
    is_paged = config.cache.kv_cache == "paged"
    limits = Limits(
        max_batch_size=config.batch.max_batch_size,
        max_prefill_tokens=config.batch.max_prefill_tokens,
        max_model_len=ready.max_model_len,
        vocab_size=ready.vocab_size,
        max_queued_requests=config.queue.max_queued_requests,
        max_queued_tokens=config.queue.max_queued_tokens,
        max_steps_in_flight=2 if config.batch.overlap else 1,
        has_prefix_cache=is_paged and config.cache.prefix_caching,
    )
    policy = make_policy(config.queue.policy)
    return Scheduler(limits, ready.num_blocks, ready.block_size, policy)


def _unavailable(message: str, code: str) -> RequestError:
    return RequestError(message, code=code, kind=RequestErrorKind.UNAVAILABLE)


def _rejection(request_id: str, error: RequestError) -> Rejected:
    retry_after_s = error.retry_after_s if isinstance(error, QueueFull) else None
    return Rejected(request_id, error.message, error.kind, error.param, error.code, retry_after_s)
