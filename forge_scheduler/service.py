"""Service: does what each message of a client asks, and says to clients what must be said.

Sits between the loop, which owns the sockets, and the Scheduler, which owns the requests and is
found at the desk of its worker. Knows neither a socket nor a policy.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import assert_never

from msgspec import Struct

from forge_common.config import SchedulerConfig
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.protocol.api_scheduler import (
    Abort,
    Accepted,
    ClientMessage,
    GetStats,
    GetStatus,
    Hello,
    KeepAlive,
    Malformed,
    Outputs,
    Rejected,
    SchedulerReady,
    SequenceOutput,
    Submit,
)
from forge_common.protocol.message import PROTOCOL_VERSION, Failure
from forge_common.sampling import FinishReason
from forge_common.transport import PeerGone, PeerSlow, Undecodable
from forge_scheduler.malformed import answer_to
from forge_scheduler.outbox import Outbox
from forge_scheduler.outputs import ClientOutputs
from forge_scheduler.pulse import Pulse
from forge_scheduler.scheduler import Scheduler
from forge_scheduler.sequence import RequestKey
from forge_scheduler.waiting_queue import QueueFull
from forge_scheduler.worker_desk import WorkerDesk
from forge_scheduler.worker_seat import Worker

logger = logging.getLogger(__name__)


class Service:
    """Serves once a worker has reported ready; takes nothing new once `is_stopping` says so."""

    def __init__(
        self,
        config: SchedulerConfig,
        outbox: Outbox,
        is_stopping: Callable[[], bool],
        pulse: Pulse,
        dismiss: Callable[[Worker], None],
    ) -> None:
        self.worker_desk = WorkerDesk(config, self)
        self._is_stopping = is_stopping
        self._dismiss = dismiss
        self._outbox = outbox
        self._pulse = pulse
        self._news: ClientOutputs = defaultdict(list)
        self._waiting_for_ready: set[bytes] = set()

    @property
    def _scheduler(self) -> Scheduler | None:
        return self.worker_desk.scheduler

    @property
    def is_finished(self) -> bool:
        """Every request has ended, and every client has its last output."""
        return self._outbox.is_empty and (self._scheduler is None or self._scheduler.is_empty)

    @property
    def remaining_s(self) -> float | None:
        """Until `keep_alive` has something to do; None while nobody is served."""
        is_idle = self._scheduler is None or self._scheduler.is_empty
        return None if is_idle else self._pulse.remaining_s

    def on_client_message(self, client: bytes, message: ClientMessage | Undecodable) -> None:
        match message:
            case Hello():
                self._on_hello(client, message)
            case Submit():
                self._on_submit(client, message)
            case Abort():
                self._on_abort(client, message)
            case GetStats():
                self._post(client, self.worker_desk.stats())
            case GetStatus():
                self._post(client, self.worker_desk.status())
            case Undecodable():
                self._on_undecodable(client, message)
            case _:
                assert_never(message)

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

    def end_all(self, reason: FinishReason, error: Failure | None = None) -> None:
        """End every request, and say so."""
        if self._scheduler is not None:
            self.on_news(self._scheduler.end_all(reason, error=error))
            self.send_news()

    def on_news(self, news: ClientOutputs) -> None:
        """To be sent with all else of this round."""
        for client, sequence_outputs in news.items():
            self._news[client] += sequence_outputs

    def on_ready(self, ready: SchedulerReady) -> None:
        for client in self._waiting_for_ready:
            self._post(client, ready)
        self._waiting_for_ready.clear()

    def on_worker_lost(self, worker: Worker) -> None:
        self._dismiss(worker)

    def _on_hello(self, client: bytes, hello: Hello) -> None:
        if hello.protocol_version != PROTOCOL_VERSION:
            self._post(client, Malformed(f"protocol_version: this is {PROTOCOL_VERSION}"))
        elif self.worker_desk.ready is None:
            self._waiting_for_ready.add(client)
        else:
            self._post(client, self.worker_desk.ready)

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
            self.on_news({client: self._scheduler.abort(key, abort.choice_index)})

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
        ended = self._end_client(client, Failure("the client does not read its outputs"))
        if self._scheduler is None or not ended:
            self._outbox.forget(client)
            return
        self._scheduler.counters.num_slow_clients += 1
        self._outbox.hold_only(client, Outputs(ended))
        logger.warning("a client does not read: %d of its sequences are aborted", len(ended))

    def _end_client(self, client: bytes, error: Failure | None = None) -> list[SequenceOutput]:
        if self._scheduler is None:
            return []
        return self._scheduler.end_all(FinishReason.ABORT, client=client, error=error)[client]


def _unavailable(message: str, code: str) -> RequestError:
    return RequestError(message, code=code, kind=RequestErrorKind.UNAVAILABLE)


def _rejection(request_id: str, error: RequestError) -> Rejected:
    retry_after_s = error.retry_after_s if isinstance(error, QueueFull) else None
    return Rejected(request_id, error.message, error.kind, error.param, error.code, retry_after_s)
