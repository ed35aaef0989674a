"""ForgeClient: the client for ordinary programs; each call waits. For one thread at a time.

All it does is wait: what is sent and what comes back means is `RequestBook`'s.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

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
from forge_common.transport import ClientChannel, loss_told_by

DEFAULT_TIMEOUT_S = 10.0
FAREWELL_LINGER_MS = 200


class ForgeClient:
    """`with ForgeClient.connect(endpoint) as forge`; several requests may run at the same time."""

    def __init__(
        self,
        endpoint: str,
        model: ClientModel | None,
        security: ClientSecurity | None,
        timeout_s: float,
    ) -> None:
        self._book = RequestBook(model)
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._context: zmq.Context[Any] = zmq.Context()
        identity = b"client-" + secrets.token_hex(8).encode()
        self._channel: ClientChannel[SchedulerMessage] = ClientChannel(
            self._context, endpoint, SchedulerMessage, identity, security
        )
        self._poller = zmq.Poller()
        self._poller.register(self._channel.socket, zmq.POLLIN)
        self._poller.register(self._channel.monitor, zmq.POLLIN)

    @classmethod
    def connect(
        cls,
        endpoint: str,
        *,
        model_path: str | Path | None = None,
        curve_keys: str | Path | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Self:
        """`model_path`, the directory or file that is served, is only needed for text;
        `curve_keys`, a directory of keys as `forge-launch keys` makes it, only over tcp from
        another host.

        Raises LinkError where no scheduler with a worker answers within `timeout_s`, which is also
        how long it may later take to accept a request.
        """
        model = None if model_path is None else ClientModel.load(Path(model_path))
        client = cls(endpoint, model, client_security(curve_keys, "client"), timeout_s)
        try:
            client._channel.send(Hello(PROTOCOL_VERSION))
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
            self._channel.send(inbox.submit)
            self._wait_until(lambda: inbox.is_answered, self._timeout_s)
            while not inbox.is_finished:
                self._wait_until(lambda: inbox.has_news)
                yield from inbox.take()
        finally:
            abort = self._book.close(inbox)
            if abort is not None and not self._channel.socket.closed:
                self._channel.send(abort)

    def abort(self, request_id: str, choice_index: int | None = None) -> None:
        """End a request, or one choice of it; its iterator ends with `finish_reason` abort."""
        self._book.check_link()
        self._channel.send(Abort(request_id, choice_index))

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
            if deadline is not None and time.monotonic() >= deadline:
                raise LinkError(
                    f"the scheduler at {self._endpoint} did not answer within {timeout_s:g} s"
                )
            self._receive(deadline)

    def _receive(self, deadline: float | None) -> None:
        """Sleep until something comes or `deadline` is past, then take all there is."""
        remaining_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        self._poller.poll(None if remaining_s is None else math.ceil(remaining_s * 1000))
        for message in self._channel.drain():
            self._book.take(message)
        while self._channel.monitor.poll(0):
            loss = loss_told_by(self._channel.monitor.recv_multipart())
            if loss is not None:
                self._book.lose(loss)
