"""Channels: one ZeroMQ socket, one Encoder and one typed Decoder each.

A server binds a ROUTER and answers many peers; a client connects a DEALER to one server. Both are
for blocking loops that poll; `AsyncClientChannel` is the client for asyncio. Receiving is decoding
is validating: what does not decode comes out as `Undecodable`, never as an exception from the loop.
Each raises ConfigError for an endpoint that needs keys and has none, LinkError where it cannot bind
or connect. Knows nothing of what any message means.

Facts behind the options (measured on libzmq 4.3.5): a ROUTER without MANDATORY drops silently when
a reader pauses; the default LINGER can hang an exit; an ipc path may have at most 107 bytes. A peer
that fills a receive queue and goes, before the queue is read, has the next heartbeat abort this
process (`!_io_error`), and so can a ROUTER that lingers: hence no receive queue has a bound in
messages. What stands in one was never bounded in bytes; a client's holds what its requests may say.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from forge_common.errors import ForgeError, LinkError
from forge_common.link_security import ClientSecurity, Security, ServerSecurity, secure

ReceivedT = TypeVar("ReceivedT")
SocketT = TypeVar("SocketT", bound=zmq.Socket[Any])

IPC = "ipc://"
MAX_MESSAGE_BYTES = 64 * 2**20
HIGH_WATER_MARK = 4096
HEARTBEAT_INTERVAL_MS = 1000
HEARTBEAT_TIMEOUT_MS = 5000
# That a connection is refused: for want of a known key, or of any. libzmq does not try again then.
REFUSALS = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
CONNECTION_EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | REFUSALS


class Undecodable(NamedTuple):
    """A message that is not one of those this socket takes; `reason` names the offending part."""

    reason: str
    frame: bytes = b""  # as it came, where it was one


class Envelope(NamedTuple, Generic[ReceivedT]):
    peer: bytes
    message: ReceivedT | Undecodable


class PeerGone(LinkError):
    """The peer of a ROUTER is no longer connected; nothing was sent."""


class PeerSlow(LinkError):
    """The queue to a peer is full because it does not read; nothing was sent."""


class ConnectionLost(LinkError):
    """The server is gone, or cannot be reached; another connection may be made."""


class Codec(Generic[ReceivedT]):
    """bytes ↔ messages of one link; `received` is the union of the Structs this side accepts."""

    def __init__(self, received: Any) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[ReceivedT] = msgspec.msgpack.Decoder(received)

    def encode(self, message: msgspec.Struct) -> bytes:
        return self._encoder.encode(message)

    def decode(self, frame: bytes) -> ReceivedT | Undecodable:
        try:
            return self._decoder.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Undecodable(str(error), frame)


class ServerChannel(Generic[ReceivedT]):
    """A bound ROUTER. `endpoint` holds what it is bound to (a tcp port 0 is resolved).

    A peer that sends more than `max_message_bytes` at once loses its connection.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        received: Any,
        security: ServerSecurity | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._codec: Codec[ReceivedT] = Codec(received)
        self.socket = context.socket(zmq.ROUTER)
        _set_options(self.socket, max_message_bytes)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.endpoint = _bind(self.socket, endpoint, security)

    @property
    def can_be_found(self) -> bool:
        """False where the file of an ipc socket is gone: who is connected stays, but none comes."""
        return not self.endpoint.startswith(IPC) or Path(self.endpoint.removeprefix(IPC)).exists()

    def bind_again(self) -> None:
        """Make the file anew; connections there are go on. Raises LinkError."""
        _require_private_directory(Path(self.endpoint.removeprefix(IPC)).parent)
        try:
            self.socket.bind(self.endpoint)
        except zmq.ZMQError as error:
            raise LinkError(f"cannot bind {self.endpoint} again: {error}") from error

    def receive(self) -> Envelope[ReceivedT] | None:
        """The next message, or None when none is waiting. Never blocks."""
        try:
            frames = self.socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        if len(frames) != 2:
            return Envelope(frames[0], Undecodable(f"expected 1 frame, got {len(frames) - 1}"))
        return Envelope(frames[0], self._codec.decode(frames[1]))

    def drain(self, limit: int = 1024) -> Iterator[Envelope[ReceivedT]]:
        """Up to `limit` waiting messages, so that a flood cannot keep a loop from its work."""
        for _ in range(limit):
            envelope = self.receive()
            if envelope is None:
                return
            yield envelope

    def send(self, peer: bytes, message: msgspec.Struct) -> None:
        """Raises PeerGone or PeerSlow; never blocks and never drops silently."""
        try:
            self.socket.send_multipart((peer, self._codec.encode(message)), zmq.NOBLOCK)
        except zmq.Again as error:
            raise PeerSlow(f"peer {peer!r} does not read its messages") from error
        except zmq.ZMQError as error:
            raise PeerGone(f"peer {peer!r} is not connected") from error

    def close(self, linger_ms: int = 0) -> None:
        self.socket.close(linger_ms)


class ClientChannel(Generic[ReceivedT]):
    """A connected DEALER; `identity` is how the server's ROUTER sees this peer.

    `monitor` tells its CONNECTION_EVENTS, from the first on.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        received: Any,
        identity: bytes,
        security: ClientSecurity | None = None,
    ) -> None:
        self._codec: Codec[ReceivedT] = Codec(received)
        self.socket = context.socket(zmq.DEALER)
        _set_options(self.socket)
        self.socket.setsockopt(zmq.IDENTITY, identity)
        self.monitor = _connect(self.socket, endpoint, security)

    def receive(self) -> ReceivedT | Undecodable | None:
        """The next message, or None when none is waiting. Never blocks."""
        try:
            return self._codec.decode(self.socket.recv(zmq.NOBLOCK))
        except zmq.Again:
            return None

    def drain(self, limit: int = 1024) -> Iterator[ReceivedT | Undecodable]:
        for _ in range(limit):
            message = self.receive()
            if message is None:
                return
            yield message

    def wait(self, timeout_s: float | None = None) -> bool:
        """Sleep until a message waits; False when `timeout_s` passed first."""
        return bool(self.socket.poll(None if timeout_s is None else int(timeout_s * 1000)))

    def send(self, message: msgspec.Struct) -> None:
        try:
            self.socket.send(self._codec.encode(message), zmq.NOBLOCK)
        except zmq.Again as error:
            raise PeerSlow("the server does not read its messages") from error

    def close(self, linger_ms: int = 0) -> None:
        _stop_monitor(self.socket, self.monitor)
        self.socket.close(linger_ms)


class AsyncClientChannel(Generic[ReceivedT]):
    """`ClientChannel` for asyncio: the same socket and options, awaited instead of polled."""

    def __init__(
        self,
        context: zmq.asyncio.Context,
        endpoint: str,
        received: Any,
        identity: bytes,
        security: ClientSecurity | None = None,
    ) -> None:
        self._codec: Codec[ReceivedT] = Codec(received)
        self.socket = context.socket(zmq.DEALER)
        _set_options(self.socket)
        self.socket.setsockopt(zmq.IDENTITY, identity)
        self.monitor = _connect(self.socket, endpoint, security)

    async def receive(self) -> ReceivedT | Undecodable:
        return self._codec.decode(await self.socket.recv())

    async def send(self, message: msgspec.Struct) -> None:
        """Waits while the server's queue is full: the wait is the caller's backpressure."""
        await self.socket.send(self._codec.encode(message))

    def close(self, linger_ms: int = 0) -> None:
        _stop_monitor(self.socket, self.monitor)
        self.socket.close(linger_ms)


def _set_options(socket: zmq.Socket[Any], max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.RCVHWM, 0)  # or a flood and its end would end this process
    socket.setsockopt(zmq.MAXMSGSIZE, max_message_bytes)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_INTERVAL_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)


def _bind(socket: zmq.Socket[Any], endpoint: str, security: Security) -> str:
    with _attempt(socket, f"bind {endpoint}"):
        secure(socket, endpoint, security)
        if endpoint.startswith(IPC):
            _require_private_directory(Path(endpoint.removeprefix(IPC)).parent)
        socket.bind(endpoint)
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def _connect(socket: SocketT, endpoint: str, security: Security) -> SocketT:
    """The socket's monitor, which is there before, since the first refusal is the last."""
    with _attempt(socket, f"connect to {endpoint}"):
        secure(socket, endpoint, security)
        monitor = socket.get_monitor_socket(CONNECTION_EVENTS)
        try:
            socket.connect(endpoint)
        except zmq.ZMQError:
            _stop_monitor(socket, monitor)
            raise
        return monitor


def _stop_monitor(socket: zmq.Socket[Any], monitor: zmq.Socket[Any]) -> None:
    if not socket.closed:
        socket.disable_monitor()
    monitor.close(0)


@contextmanager
def _attempt(socket: zmq.Socket[Any], action: str) -> Iterator[None]:
    """A socket that fails at it is closed, and libzmq's error is a LinkError."""
    try:
        yield
    except ForgeError:
        socket.close(0)
        raise
    except zmq.ZMQError as error:
        socket.close(0)
        raise LinkError(f"cannot {action}: {error}") from error


def read_event(frames: list[bytes]) -> int:
    """Which of the events a monitor tells in a message."""
    return int(parse_monitor_message(frames)["event"])


def loss_told_by(frames: list[bytes]) -> LinkError | None:
    """Why nothing more will come, if that is what a client's monitor tells in this message."""
    event = read_event(frames)
    if event & REFUSALS:
        return LinkError("the connection is refused: the keys of its two ends do not match")
    if event == zmq.EVENT_DISCONNECTED:
        return ConnectionLost("the connection to the scheduler is lost")
    return None


def _require_private_directory(directory: Path) -> None:
    """An ipc socket file is open to whoever may enter its directory, so only its owner may."""
    mode = stat.S_IMODE(directory.stat().st_mode) if directory.is_dir() else None
    if mode is None or mode & 0o077:
        raise LinkError(f"the directory of an ipc socket must exist with mode 0700: {directory}")
