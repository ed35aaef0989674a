"""ForgeClient: the client for ordinary programs; each call waits. For one thread at a time.

All it does is wait: what is sent and what comes back means is `RequestBook`'s.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import zmq

from forge_common.client.client_model import ClientModel
from forge_common.client.request_book import Output, RequestBook
from forge_common.curve_keys import client_security
from forge_common.errors import LinkError
from forge_common.link_security import ClientSecurity
from forge_common.protocol.api_scheduler import (
    Abort,
    GetStats,
    Hello,
    SchedulerMessage,
    SchedulerReady,
    SchedulerStats,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.sampling import SamplingParams
from forge_common.transport import ClientChannel, ConnectionLost, loss_told_by

DEFAULT_TIMEOUT_S = 10.0
AWAY_TIMEOUT_S = 60.0
RENEWAL_PAUSE_S = 0.05  # so that one who hangs up at once is not called back without end
FAREWELL_LINGER_MS = 200


class Timeouts(NamedTuple):
    answer_s: float  # for the scheduler to greet back, or to take a request
    away_s: float  # for another one, in the place of one that was lost


class ForgeClient:
    """`with ForgeClient.connect(endpoint) as forge`; several requests may run at the same time."""

    def __init__(
        self,
        endpoint: str,
        model: ClientModel | None,
        security: ClientSecurity | None,
        timeouts: Timeouts,
    ) -> None:
        self._book = RequestBook(model)
        self._endpoint = endpoint
        self._security = security
        self._timeout_s, self._away_timeout_s = timeouts
        self._lost_at_s: float | None = None
        self._context: zmq.Context[Any] = zmq.Context()
        self._channel = self._make_channel()

    @classmethod
    def connect(
        cls,
        endpoint: str,
        *,
        model_path: str | Path | None = None,
        curve_keys: str | Path | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        away_timeout_s: float = AWAY_TIMEOUT_S,
    ) -> Self:
        """`model_path`, the directory or file that is served, is only needed for text;
        `curve_keys`, a directory of keys as `forge-launch keys` makes it, only over tcp from
        another host.

        Raises LinkError where no scheduler with a worker answers within `timeout_s`, which is also
        how long it may later take to accept a request. When a scheduler is lost that was there,
        running requests wait `away_timeout_s` for the next one, and go on there.
        """
        model = None if model_path is None else ClientModel.load(Path(model_path))
        timeouts = Timeouts(timeout_s, away_timeout_s)
        client = cls(endpoint, model, client_security(curve_keys, "client"), timeouts)
        try:
            client._wait_until(lambda: client._book.scheduler is not None, timeout_s)
        except BaseException:
            client.close()
            raise
        return client

    @property
    def scheduler(self) -> SchedulerReady | None:
        """What the scheduler said of itself: the longest context, the vocabulary, the blocks."""
        return self._book.scheduler

    def generate(
        self,
        prompt: str | Sequence[int],
        sampling: SamplingParams | None = None,
        *,
        priority: int = 0,
        request_id: str | None = None,
    ) -> Iterator[Output]:
        """Outputs as they come; submitted at the first `next()`, aborted when dropped early.

        Without `sampling` it is done as the model's makers would. RequestError where the scheduler
        refuses or fails the request, LinkError where it is gone.
        """
        inbox = self._book.open(prompt, sampling, priority, request_id)
        try:
            self._send_due()
            self._wait_until(lambda: inbox.is_answered, self._timeout_s)
            while not inbox.is_finished:
                self._wait_until(lambda: inbox.has_news)
                yield from inbox.take()
        finally:
            abort = self._book.close(inbox)
            if not self._channel.socket.closed:
                self._say(abort)
                self._send_due()

    def abort(self, request_id: str, choice_index: int | None = None) -> None:
        """End a request, or one choice of it; its iterator ends with `finish_reason` abort."""
        self._book.check_link()
        self._say(self._book.abort(request_id, choice_index))

    def stats(self) -> SchedulerStats:
        """The scheduler's counts since it started, and its state now."""
        self._book.check_link()
        self._channel.send(GetStats())
        self._wait_until(lambda: self._book.has_stats, self._timeout_s)
        return self._book.take_stats()

    def close(self) -> None:
        """End what still runs and disconnect."""
        if self._channel.socket.closed:
            return
        self._channel.close(FAREWELL_LINGER_MS)
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _wait_until(self, is_met: Callable[[], bool], timeout_s: float | None = None) -> None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not is_met():
            self._book.check_link()
            self._check_patience()
            if deadline is not None and time.monotonic() >= deadline:
                raise LinkError(
                    f"the scheduler at {self._endpoint} did not answer within {timeout_s:g} s"
                )
            self._receive(deadline)

    def _receive(self, deadline: float | None) -> None:
        """Sleep until something comes or `deadline` is past, then take all there is."""
        poller = zmq.Poller()
        for source in (self._channel.socket, self._channel.monitor):
            poller.register(source, zmq.POLLIN)
        poller.poll(self._sleep_ms(deadline))
        for message in self._channel.drain():
            self._book.take(message)
        is_lost = self._book.is_link_stale
        while self._channel.monitor.poll(0):
            loss = loss_told_by(self._channel.monitor.recv_multipart())
            is_lost |= isinstance(loss, ConnectionLost)
            if loss is not None and not isinstance(loss, ConnectionLost):
                self._book.lose(loss)
        if is_lost:
            self._renew()
        if self._book.scheduler is not None:
            self._lost_at_s = None
        self._send_due()

    def _sleep_ms(self, deadline: float | None) -> int | None:
        lost_at_s = self._lost_at_s
        patience = None if lost_at_s is None else lost_at_s + self._away_timeout_s
        ends = [end for end in (deadline, patience) if end is not None]
        return math.ceil(max(0.0, min(ends) - time.monotonic()) * 1000) if ends else None

    def _check_patience(self) -> None:
        if self._lost_at_s is not None and self._sleep_ms(None) == 0:
            self._book.lose(LinkError(f"the scheduler at {self._endpoint} is lost"))
            self._book.check_link()

    def _renew(self) -> None:
        """Another channel, so that nothing of this one is heard or said again."""
        self._channel.close()
        self._book.lose_link()
        time.sleep(RENEWAL_PAUSE_S)
        self._channel = self._make_channel()
        self._lost_at_s = self._lost_at_s or time.monotonic()

    def _make_channel(self) -> ClientChannel[SchedulerMessage]:
        identity = b"client-" + secrets.token_hex(8).encode()
        channel: ClientChannel[SchedulerMessage] = ClientChannel(
            self._context, self._endpoint, SchedulerMessage, identity, self._security
        )
        channel.send(Hello(PROTOCOL_VERSION))
        return channel

    def _send_due(self) -> None:
        for submit in self._book.take_due():
            self._channel.send(submit)

    def _say(self, abort: Abort | None) -> None:
        if abort is not None:
            self._channel.send(abort)
