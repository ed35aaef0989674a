"""The scheduler's process: a blocking loop that receives, decides, sends. All its I/O is here.

It sleeps until a client, the worker or a signal has something to say, so idle costs nothing. The
next step is sent before the last one's tokens are: the worker never waits for clients. Knows no
policy: what to run, and who may, is the Scheduler's.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import Any, NamedTuple, assert_never

import zmq
from msgspec import Struct

from forge_common.config import SchedulerConfig
from forge_common.errors import ConfigError, LinkError, RequestError, RequestErrorKind, WorkerError
from forge_common.protocol.api_scheduler import (
    Abort,
    Accepted,
    ClientMessage,
    GetStats,
    Hello,
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
    Shutdown,
    WorkerFailed,
    WorkerReady,
)
from forge_common.readiness import Readiness
from forge_common.sampling import FinishReason
from forge_common.transport import Envelope, PeerGone, PeerSlow, ServerChannel, Undecodable
from forge_scheduler.outbox import Outbox
from forge_scheduler.policy import make_policy
from forge_scheduler.scheduler import ClientOutputs, Limits, Scheduler
from forge_scheduler.sequence import RequestKey
from forge_scheduler.stats import starting_stats
from forge_scheduler.stop_requests import StopRequests
from forge_scheduler.waiting_queue import QueueFull

MAX_MESSAGES_A_ROUND = 64
HELD_RETRY_MS = 20
FAREWELL_LINGER_MS = 1000

logger = logging.getLogger(__name__)


class Endpoints(NamedTuple):
    client: str
    worker: str


class SchedulerProcess:
    def __init__(
        self, config: SchedulerConfig, context: zmq.Context[Any], stop_requests: StopRequests
    ) -> None:
        endpoints = _endpoints(config)
        self._config = config
        self._stop_requests = stop_requests
        self._clients: ServerChannel[ClientMessage] = ServerChannel(
            context, endpoints.client, ClientMessage
        )
        self._workers: ServerChannel[FromWorker] = ServerChannel(
            context, endpoints.worker, FromWorker
        )
        self._worker_monitor = self._workers.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._outbox = Outbox(self._clients.send)
        self._news: ClientOutputs = defaultdict(list)
        self._waiting_for_ready: set[bytes] = set()
        self._worker: bytes | None = None
        self._scheduler: Scheduler | None = None
        self._ready: SchedulerReady | None = None
        self._poller = self._make_poller()

    @property
    def endpoints(self) -> Endpoints:
        """Where it is bound: a tcp port 0 is resolved."""
        return Endpoints(self._clients.endpoint, self._workers.endpoint)

    def run(self) -> None:
        """Serve until asked to stop and nothing runs. Raises WorkerError when the worker fails."""
        try:
            while not self._is_done():
                self._wait()
                self._receive_from_worker()
                self._receive_from_clients()
                self._send_steps()
                self._send_news()
            self._dismiss_worker()
        except (WorkerError, LinkError) as error:
            logger.error("%s", error)
            self._fail_all(str(error))
            raise

    def close(self) -> None:
        """What is still to be sent gets a moment to leave."""
        self._workers.socket.disable_monitor()
        self._worker_monitor.close(0)
        self._clients.close(FAREWELL_LINGER_MS)
        self._workers.close(FAREWELL_LINGER_MS)
        self._stop_requests.close()

    # Receive

    def _wait(self) -> None:
        self._poller.poll(None if self._outbox.is_empty else HELD_RETRY_MS)

    def _receive_from_worker(self) -> None:
        for envelope in self._workers.drain(MAX_MESSAGES_A_ROUND):
            self._on_worker_message(envelope)
        while self._worker_monitor.poll(0):
            self._worker_monitor.recv_multipart()
            if self._worker is not None:
                raise WorkerError("the worker is gone")

    def _on_worker_message(self, envelope: Envelope[FromWorker]) -> None:
        message = envelope.message
        if self._worker not in (None, envelope.peer):
            raise WorkerError("a second worker came")
        match message:
            case WorkerReady():
                self._on_worker_ready(envelope.peer, message)
            case BatchOutput():
                self._on_batch_output(message)
            case WorkerFailed():
                raise WorkerError(f"the worker failed: {message.reason}")
            case Undecodable():
                raise LinkError(f"the worker sent no message of ours: {message.reason}")
            case _:
                assert_never(message)

    def _on_worker_ready(self, peer: bytes, ready: WorkerReady) -> None:
        if ready.protocol_version != PROTOCOL_VERSION:
            raise LinkError(
                f"the worker speaks protocol {ready.protocol_version}, the scheduler "
                f"{PROTOCOL_VERSION}: install the same Forge everywhere"
            )
        if self._worker is not None:
            raise WorkerError("the worker started again and has lost its state")
        self._worker = peer
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

    def _receive_from_clients(self) -> None:
        for client, message in self._clients.drain(MAX_MESSAGES_A_ROUND):
            match message:
                case Hello():
                    self._on_hello(client, message)
                case Submit():
                    self._on_submit(client, message)
                case Abort():
                    self._on_abort(client, message)
                case GetStats():
                    self._on_get_stats(client)
                case Undecodable():
                    self._post(client, Malformed(message.reason))
                case _:
                    assert_never(message)

    def _on_hello(self, client: bytes, hello: Hello) -> None:
        if hello.protocol_version != PROTOCOL_VERSION:
            self._post(client, Malformed(f"protocol_version: this is {PROTOCOL_VERSION}"))
        elif self._ready is None:
            self._waiting_for_ready.add(client)
        else:
            self._post(client, self._ready)

    def _on_submit(self, client: bytes, submit: Submit) -> None:
        try:
            self._serving_scheduler().submit(client, submit)
        except RequestError as error:
            self._post(client, _rejection(submit.request_id, error))
        else:
            self._post(client, Accepted(submit.request_id))

    def _on_abort(self, client: bytes, abort: Abort) -> None:
        if self._scheduler is not None:
            key = RequestKey(client, abort.request_id)
            self._add_news({client: self._scheduler.abort(key, abort.choice_index)})

    def _on_get_stats(self, client: bytes) -> None:
        scheduler = self._scheduler
        self._post(client, starting_stats() if scheduler is None else scheduler.stats())

    # Decide

    def _serving_scheduler(self) -> Scheduler:
        """The one to submit to. Raises RequestError while there is none, or soon will be none."""
        if self._stop_requests.count() > 0:
            raise RequestError(
                "the server is shutting down",
                code="shutting_down",
                kind=RequestErrorKind.UNAVAILABLE,
            )
        if self._scheduler is None:
            raise RequestError(
                "the model is still loading", code="starting", kind=RequestErrorKind.UNAVAILABLE
            )
        return self._scheduler

    def _is_done(self) -> bool:
        """Asked once to stop: when nothing runs. Asked again: now."""
        num_asked = self._stop_requests.count()
        if num_asked == 0:
            return False
        if self._scheduler is None:
            return True
        if num_asked > 1:
            self._add_news(self._scheduler.end_all(FinishReason.ABORT))
            self._send_news()
            return True
        return self._scheduler.is_empty and self._outbox.is_empty

    # Send

    def _send_steps(self) -> None:
        if self._scheduler is None or self._worker is None:
            return
        while (batch := self._scheduler.schedule()) is not None:
            try:
                self._workers.send(self._worker, batch.to_run_batch())
            except (PeerGone, PeerSlow) as error:
                raise WorkerError("the worker is gone") from error

    def _send_news(self) -> None:
        for client in self._outbox.flush():
            self._end_client(client)
        news, self._news = self._news, defaultdict(list)
        for client, sequence_outputs in news.items():
            if sequence_outputs:
                self._post(client, Outputs(sequence_outputs))

    def _add_news(self, news: ClientOutputs) -> None:
        for client, sequence_outputs in news.items():
            self._news[client] += sequence_outputs

    def _post(self, client: bytes, message: Struct) -> None:
        """Whoever is gone loses its requests; so does who does not read, and is told so at last."""
        try:
            self._outbox.post(client, message)
        except PeerGone:
            self._end_client(client)
        except PeerSlow:
            self._on_slow_client(client)

    def _on_slow_client(self, client: bytes) -> None:
        """What was held back goes; the ends of its sequences are all it gets if it ever reads."""
        ended = self._end_client(client)
        if ended and self._scheduler is not None:
            self._scheduler.counters.num_slow_clients += 1
            self._outbox.hold_only(client, Outputs(ended))
            logger.warning("a client does not read: %d of its sequences are aborted", len(ended))
        else:
            self._outbox.forget(client)

    def _end_client(self, client: bytes) -> list[SequenceOutput]:
        if self._scheduler is None:
            return []
        return self._scheduler.end_all(FinishReason.ABORT, client=client)[client]

    def _fail_all(self, error: str) -> None:
        """The last thing clients hear."""
        if self._scheduler is not None:
            self._add_news(self._scheduler.end_all(FinishReason.ERROR, error=error))
            self._send_news()

    def _dismiss_worker(self) -> None:
        if self._worker is None:
            return
        try:
            self._workers.send(self._worker, Shutdown())
        except (PeerGone, PeerSlow):
            logger.warning("the worker left before it was dismissed")

    def _make_poller(self) -> zmq.Poller:
        poller = zmq.Poller()
        for source in (self._clients.socket, self._workers.socket, self._worker_monitor):
            poller.register(source, zmq.POLLIN)
        poller.register(self._stop_requests.fileno(), zmq.POLLIN)
        return poller


def main(config: SchedulerConfig) -> None:
    """Serve until SIGTERM. Raises ForgeError where it cannot, or can no longer, serve."""
    readiness = Readiness.from_environment()
    with zmq.Context() as context:
        process = SchedulerProcess(config, context, StopRequests.from_signals())
        try:
            readiness.ready(process.endpoints.client)
            process.run()
        finally:
            process.close()


def _endpoints(config: SchedulerConfig) -> Endpoints:
    links = config.links
    if links.client_endpoint is None or links.worker_endpoint is None:
        raise ConfigError("--client-endpoint and --worker-endpoint must say where to listen")
    return Endpoints(links.client_endpoint, links.worker_endpoint)


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


def _rejection(request_id: str, error: RequestError) -> Rejected:
    retry_after_s = error.retry_after_s if isinstance(error, QueueFull) else None
    return Rejected(request_id, error.message, error.kind, error.param, error.code, retry_after_s)
