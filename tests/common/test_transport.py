"""What a server takes of a peer: messages up to a size, any number of them; how it stays found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from forge_common.errors import LinkError
from forge_common.transport import ClientChannel, ServerChannel


class Note(msgspec.Struct):
    text: str


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def server(context: zmq.Context[Any], tmp_path: Path) -> Iterator[ServerChannel[Note]]:
    tmp_path.chmod(0o700)
    channel: ServerChannel[Note] = ServerChannel(
        context, f"ipc://{tmp_path}/notes", Note, max_message_bytes=1024
    )
    with closing(channel):
        yield channel


@pytest.fixture
def client(context: zmq.Context[Any], server: ServerChannel[Note]) -> Iterator[ClientChannel[Note]]:
    with closing(ClientChannel[Note](context, server.endpoint, Note, b"me")) as channel:
        yield channel


def received(server: ServerChannel[Note]) -> str:
    assert server.socket.poll(5000)
    envelope = server.receive()
    assert envelope is not None
    assert isinstance(envelope.message, Note)
    return envelope.message.text


def test_a_message_that_is_too_large_ends_its_connection_only(
    server: ServerChannel[Note], client: ClientChannel[Note]
) -> None:
    client.send(Note("first"))
    assert received(server) == "first"
    client.send(Note("x" * 1024))
    assert not server.socket.poll(100)
    client.send(Note("on a new connection"))
    assert received(server) == "on a new connection"


def test_removed_socket_file_is_made_anew_and_costs_no_connection(
    context: zmq.Context[Any], server: ServerChannel[Note], client: ClientChannel[Note]
) -> None:
    client.send(Note("before"))
    assert received(server) == "before"
    assert server.can_be_found
    Path(server.endpoint.removeprefix("ipc://")).unlink()
    assert not server.can_be_found
    server.bind_again()
    assert server.can_be_found
    client.send(Note("by the old connection"))
    assert received(server) == "by the old connection"
    with closing(ClientChannel[Note](context, server.endpoint, Note, b"new")) as newcomer:
        newcomer.send(Note("by a new one"))
        assert received(server) == "by a new one"


def test_file_of_a_socket_cannot_be_made_anew_where_its_directory_is_gone(
    server: ServerChannel[Note], tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path)
    with pytest.raises(LinkError, match="must exist with mode 0700"):
        server.bind_again()


def test_socket_without_a_file_can_always_be_found(context: zmq.Context[Any]) -> None:
    with closing(ServerChannel[Note](context, "tcp://127.0.0.1:*", Note)) as server:
        assert server.can_be_found


FLOODED = """
import sys, time, zmq
import msgspec
from forge_common import transport

transport.HEARTBEAT_INTERVAL_MS = 50
class Note(msgspec.Struct):
    text: str
"""


def assert_survives(flood: str, tmp_path: Path) -> None:
    """In a process of its own, since what it guards against is the end of the process."""
    tmp_path.chmod(0o700)
    argv = [sys.executable, "-c", FLOODED + flood, f"ipc://{tmp_path}/notes"]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "6000\n")


FLOOD = """
with zmq.Context() as ours, zmq.Context() as theirs:
    server = transport.ServerChannel(ours, sys.argv[1], Note)
    peer = theirs.socket(zmq.DEALER)
    peer.sndhwm, peer.linger = 0, 200
    peer.connect(sys.argv[1])
    for _ in range(6000):
        peer.send(msgspec.msgpack.encode(Note("x")))
    time.sleep(0.2)
    peer.close()
    time.sleep(0.5)
    print(sum(1 for _ in server.drain(10_000)))
    server.close()
"""


def test_a_peer_that_floods_and_goes_does_not_end_the_server(tmp_path: Path) -> None:
    assert_survives(FLOOD, tmp_path)


FLOOD_OF_A_CLIENT = """
with zmq.Context() as ours, zmq.Context() as theirs:
    peer = theirs.socket(zmq.ROUTER)
    peer.sndhwm, peer.linger, peer.router_mandatory = 0, 200, 1
    peer.bind(sys.argv[1])
    client = transport.ClientChannel(ours, sys.argv[1], Note, b"client")
    client.send(Note("hello"))
    peer.recv_multipart()
    for _ in range(6000):
        peer.send_multipart((b"client", msgspec.msgpack.encode(Note("x"))))
    time.sleep(0.2)
    peer.close()
    time.sleep(0.5)
    print(sum(1 for _ in client.drain(10_000)))
    client.close()
"""


def test_a_server_that_floods_and_goes_does_not_end_its_client(tmp_path: Path) -> None:
    assert_survives(FLOOD_OF_A_CLIENT, tmp_path)
