"""The scheduler's process: a blocking loop that receives, decides, sends. All its I/O is here.

It sleeps until a client, the worker or a signal has something to say, so idle costs nothing. The
next step is sent before the last one's tokens are: the worker never waits for clients. Knows no
message's meaning and no policy.
"""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from typing import Any, NamedTuple

import zmq
from zmq.utils.monitor import parse_monitor_message

from forge_common.beats import Beats
from forge_common.config import SchedulerConfig
from forge_common.curve_keys import NO_KEYS, ServerKeys, server_keys
from forge_common.errors import ConfigError, LinkError
from forge_common.link_security import doorkeeper
from forge_common.protocol.api_scheduler import MAX_CLIENT_MESSAGE_BYTES, ClientMessage
from forge_common.protocol.message import Failure
from forge_common.protocol.scheduler_worker import FromWorker, Shutdown
from forge_common.readiness import Readiness
from forge_common.sampling import FinishReason
from forge_common.transport import PeerGone, PeerSlow, ServerChannel
from forge_scheduler.outbox import Outbox
from forge_scheduler.pulse import INTERVAL_S, Pulse
from forge_scheduler.service import Service
from forge_scheduler.socket_files import SocketFiles
from forge_scheduler.stop_requests import StopRequests
from forge_scheduler.worker_connection import EVENTS, WorkerConnection
from forge_scheduler.worker_seat import Worker

MAX_MESSAGES_A_ROUND = 64
HELD_RETRY_S = 0.02
FAREWELL_LINGER_MS = 1000

logger = logging.getLogger(__name__)


class Endpoints(NamedTuple):
    """Where the scheduler listens."""

    client: str
    worker: str


def main(config: SchedulerConfig) -> None:
    """Serve until SIGTERM. Raises ForgeError where it cannot, or can no longer, serve."""
    readiness = Readiness.from_environment()
    keys = server_keys(config.links.curve_keys)
    with zmq.Context() as context, doorkeeper(context, keys.allowed):
        process = SchedulerProcess(config, context, StopRequests.from_signals(), keys)
        try:
            if not readiness.is_supervised:
                logger.info("waiting for a worker at %s", process.endpoints.worker)
            readiness.ready(process.endpoints.client)
            process.run()
        finally:
            process.close()


class SchedulerProcess:
    """Binds at once; `run` serves until asked to stop and nothing runs.

    A worker that is lost is awaited again, or the next one is: its launcher is told which is not to
    be waited for.
    """

    def __init__(
        self,
        config: SchedulerConfig,
        context: zmq.Context[Any],
        stop_requests: StopRequests,
        keys: ServerKeys = NO_KEYS,
        keep_alive_s: float = INTERVAL_S,
    ) -> None:
        endpoints = _endpoints(config)
        self._stop_requests = stop_requests
        self._clients: ServerChannel[ClientMessage] = ServerChannel(
            context,
            endpoints.client,
            ClientMessage,
            keys.security("clients"),
            MAX_CLIENT_MESSAGE_BYTES,
        )
        self._workers: ServerChannel[FromWorker] = ServerChannel(
            context, endpoints.worker, FromWorker, keys.security("worker")
        )
        self._client_monitor = self._clients.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._worker_monitor = self._workers.socket.get_monitor_socket(EVENTS)
        self._worker_connection = WorkerConnection()
        self._outbox = Outbox(self._clients.send)
        self._readiness = Readiness.from_environment()
        self._beats = Beats(self._readiness)
        self._socket_files = SocketFiles((self._clients, self._workers))
        self._service = Service(
            config,
            self._outbox,
            lambda: stop_requests.count() > 0,
            Pulse(keep_alive_s),
            self._dismiss,
        )
        self._worker_desk = self._service.worker_desk
        self._poller = self._make_poller()

    @property
    def endpoints(self) -> Endpoints:
        """Where it is bound: a tcp port 0 is resolved."""
        return Endpoints(self._clients.endpoint, self._workers.endpoint)

    def run(self) -> None:
        """Raises LinkError when there is no serving with a worker, after telling every client."""
        try:
            while not self._is_done():
                self._wait()
                self._receive_from_worker()
                self._receive_from_clients()
                self._send_steps()
                self._service.send_news()
                self._service.keep_alive()
                if self._beats.beat():
                    self._socket_files.mend()
        except LinkError as error:
            self._service.end_all(FinishReason.ERROR, Failure(str(error)))
            raise
        self._service.end_all(FinishReason.ABORT)
        if self._worker_desk.worker is not None:
            self._say_farewell(self._worker_desk.worker)

    def close(self) -> None:
        """What is still to be sent gets a moment to leave."""
        for channel in (self._clients, self._workers):
            channel.socket.disable_monitor()
        self._client_monitor.close(0)
        self._worker_monitor.close(0)
        self._clients.close(FAREWELL_LINGER_MS)
        self._workers.close(FAREWELL_LINGER_MS)
        self._stop_requests.close()

    def _is_done(self) -> bool:
        """Asked once to stop: when nothing runs. Asked again: now."""
        num_asked = self._stop_requests.count()
        return num_asked > 1 or (num_asked > 0 and self._service.is_finished)

    def _wait(self) -> None:
        """Until there is something to do: not for a moment longer, nor less while all is idle."""
        held_s = None if self._outbox.is_empty else HELD_RETRY_S
        waits_s = (
            held_s,
            self._service.remaining_s,
            self._worker_desk.step_remaining_s,
            self._beats.remaining_s,
        )
        timeouts_s = [wait_s for wait_s in waits_s if wait_s is not None]
        self._poller.poll(math.ceil(min(timeouts_s) * 1000) if timeouts_s else None)

    def _receive_from_worker(self) -> None:
        for peer, message in self._workers.drain(MAX_MESSAGES_A_ROUND):
            self._worker_desk.on_message(peer, message)
        self._worker_desk.lose_if_hung()
        while self._worker_monitor.poll(0):
            seen = parse_monitor_message(self._worker_monitor.recv_multipart())
            self._worker_connection.on_event(seen["event"], seen["value"])
        self._worker_connection.watch(self._worker_desk.worker)
        while self._worker_connection.is_lost:
            self._worker_desk.on_lost_connection()
            self._worker_connection.watch(self._worker_desk.worker)

    def _receive_from_clients(self) -> None:
        for client, message in self._clients.drain(MAX_MESSAGES_A_ROUND):
            self._service.on_client_message(client, message)
        if self._client_monitor.poll(0):
            self._client_monitor.recv_multipart()
            self._service.on_lost_connection()

    def _send_steps(self) -> None:
        desk = self._worker_desk
        while (worker := desk.worker) is not None and (step := desk.next_step()) is not None:
            try:
                self._workers.send(worker, step)
            except (PeerGone, PeerSlow):
                desk.on_unsent_step()

    def _dismiss(self, worker: Worker) -> None:
        """Whatever is left of it is to end, so that nothing computes for nobody."""
        self._say_farewell(worker.peer)
        self._readiness.peer_lost(worker.ready.process_id)

    def _say_farewell(self, worker: bytes) -> None:
        with suppress(PeerGone, PeerSlow):
            self._workers.send(worker, Shutdown())

    def _make_poller(self) -> zmq.Poller:
        poller = zmq.Poller()
        for channel in (self._clients, self._workers):
            poller.register(channel.socket, zmq.POLLIN)
        for monitor in (self._client_monitor, self._worker_monitor):
            poller.register(monitor, zmq.POLLIN)
        poller.register(self._stop_requests.fileno(), zmq.POLLIN)
        return poller


def _endpoints(config: SchedulerConfig) -> Endpoints:
    links = config.links
    if links.client_endpoint is None or links.worker_endpoint is None:
        raise ConfigError("--client-endpoint and --worker-endpoint must say where to listen")
    return Endpoints(links.client_endpoint, links.worker_endpoint)
