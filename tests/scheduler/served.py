"""A scheduler process in a thread, and the two ends that talk to it over real sockets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import zmq

from forge_common.config import BatchSettings, LinkSettings, QueueSettings, SchedulerConfig
from forge_common.errors import ForgeError
from forge_common.protocol.api_scheduler import (
    GetStats,
    Outputs,
    SchedulerMessage,
    SchedulerStats,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import RunBatch, ToWorker, WorkerReady
from forge_common.sampling import FinishReason
from forge_common.transport import ClientChannel
from forge_scheduler.process import SchedulerProcess
from forge_scheduler.stop_requests import StopRequests
from tests.scheduler.fakes import FakeWorker

TIMEOUT_S = 20.0
MessageT = TypeVar("MessageT")


class Peer:
    """One end of a link, that waits for what it expects and fails rather than hangs."""

    def __init__(self, context: Any, endpoint: str, received: Any, identity: bytes) -> None:
        self.channel: ClientChannel[Any] = ClientChannel(context, endpoint, received, identity)

    def send(self, message: msgspec.Struct) -> None:
        self.channel.send(message)

    def expect(self, kind: type[MessageT]) -> MessageT:
        assert self.channel.wait(TIMEOUT_S), f"no {kind.__name__} came"
        message = self.channel.receive()
        assert isinstance(message, kind), message
        return message


class Worker(Peer):
    def __init__(self, context: Any, endpoint: str, identity: bytes = b"worker") -> None:
        super().__init__(context, endpoint, ToWorker, identity)
        self.fake = FakeWorker(num_blocks=32, block_size=4)

    def report_ready(self, protocol_version: int = PROTOCOL_VERSION) -> None:
        self.send(WorkerReady(protocol_version, 32, 4, 100, 100, 1))

    def answer(self) -> None:
        self.send(self.fake.run(self.expect(RunBatch)))


class Served:
    def __init__(
        self, directory: Path, context: Any, *, keep_alive_s: float = 60.0, **groups: Any
    ) -> None:
        links = LinkSettings(
            client_endpoint=f"ipc://{directory}/clients",
            worker_endpoint=f"ipc://{directory}/worker",
        )
        self.stop_requests = StopRequests()
        self.process = SchedulerProcess(
            SchedulerConfig(links=links, **groups),
            context,
            self.stop_requests,
            keep_alive_s=keep_alive_s,
        )
        self.error: ForgeError | None = None
        self._context = context
        self._peers: list[Peer] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.worker = self.make_worker(b"worker")
        self.client = self.connect(b"client")

    def make_worker(self, identity: bytes) -> Worker:
        worker = Worker(self._context, self.process.endpoints.worker, identity)
        self._peers.append(worker)
        return worker

    def replace_worker(self) -> None:
        """The old one vanishes; the new one is ready at once."""
        self.worker.channel.close()
        self.worker = self.make_worker(b"worker-%d" % len(self._peers))
        self.worker.report_ready()

    def connect(self, identity: bytes) -> Peer:
        endpoint = self.process.endpoints.client
        self._peers.append(Peer(self._context, endpoint, SchedulerMessage, identity))
        return self._peers[-1]

    def expect_stats(self, is_met: Callable[[SchedulerStats], bool]) -> None:
        """Ask until what is expected is so."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while True:
            self.client.send(GetStats())
            stats = self.client.expect(SchedulerStats)
            if is_met(stats):
                return
            assert time.monotonic() < deadline_s, stats
            time.sleep(0.005)

    def finish(self) -> None:
        """Wait until it ends by itself."""
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()

    def close(self) -> None:
        if self._thread.is_alive():
            self.stop_requests.ask()
            self.stop_requests.ask()
            self.finish()
        self.process.close()
        for peer in self._peers:
            peer.channel.close()

    def run_to_end(self, client: Peer) -> tuple[list[int], FinishReason]:
        """Answer steps until the client's only request ends; outputs are read before steps."""
        poller = zmq.Poller()
        for peer in (client, self.worker):
            poller.register(peer.channel.socket, zmq.POLLIN)
        token_ids: list[int] = []
        while True:
            assert poller.poll(TIMEOUT_S * 1000), "neither a step nor an output came"
            if not client.channel.wait(0):
                self.worker.answer()
                continue
            for output in client.expect(Outputs).outputs:
                token_ids += output.token_ids
                if output.finish_reason is not None:
                    return token_ids, output.finish_reason

    def _run(self) -> None:
        try:
            self.process.run()
        except ForgeError as error:
            self.error = error


@contextmanager
def serving(directory: Path, **groups: Any) -> Iterator[Served]:
    directory.chmod(0o700)
    with zmq.Context() as context:
        served = Served(directory, context, **groups)
        try:
            yield served
        finally:
            served.close()


__all__ = ["BatchSettings", "Peer", "QueueSettings", "Served", "serving"]
