"""Which endpoints need keys, and who comes in where there are some: over real sockets."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from forge_common.curve_keys import NO_KEYS, ServerKeys, client_security, make_keys, server_keys
from forge_common.errors import ConfigError, LinkError
from forge_common.link_security import (
    ClientSecurity,
    KeyPair,
    ServerSecurity,
    doorkeeper,
    require_safe,
)
from forge_common.transport import ClientChannel, PeerSlow, ServerChannel, loss_told_by

LOOPBACK = "tcp://127.0.0.1:*"
PAIR = KeyPair(*zmq.curve_keypair())


class Knock(msgspec.Struct):
    text: str


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("hosts") / "keys"
    make_keys(directory)
    return directory


@pytest.fixture(scope="module")
def foreign_keys(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Path:
    """Those of another deployment, that yet knows our scheduler's public key."""
    directory = tmp_path_factory.mktemp("hosts") / "foreign"
    make_keys(directory)
    shutil.copy(keys / "server.key", directory)
    return directory


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def door(context: zmq.Context[Any], keys: Path) -> Iterator[ServerChannel[Knock]]:
    """The worker's link, with the doorkeeper of all links."""
    server = server_keys(keys)
    with doorkeeper(context, server.allowed), closing(bound(context, server)) as channel:
        yield channel


def bound(context: zmq.Context[Any], server: ServerKeys) -> ServerChannel[Knock]:
    return ServerChannel(context, LOOPBACK, Knock, server.security("worker"))


def comes_in(door: ServerChannel[Knock], security: ClientSecurity | None) -> bool:
    """Does a message of this client arrive? In a context of its own, as from another process."""
    with zmq.Context() as context:
        channel = ClientChannel[Knock](context, door.endpoint, Knock, b"me", security)
        with closing(channel) as client:
            with suppress(PeerSlow):  # refused before it could speak
                client.send(Knock("let me in"))
            while not door.socket.poll(10) and not is_refused(client):
                pass
            return door.receive() is not None


def is_refused(client: ClientChannel[Knock]) -> bool:
    return (
        bool(client.monitor.poll(0)) and loss_told_by(client.monitor.recv_multipart()) is not None
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        "ipc:///run/forge/clients.sock",
        "tcp://127.0.0.1:5001",
        "tcp://127.8.9.10:*",
        "tcp://[::1]:5001",
        "tcp://localhost:5001",
    ],
)
def test_links_within_the_host_need_no_keys(endpoint: str) -> None:
    require_safe(endpoint, None)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://*:5001",
        "tcp://0.0.0.0:5001",
        "tcp://[::]:5001",
        "tcp://10.0.0.5:5001",
        "tcp://eth0:5001",
        "tcp://localhost.example.org:5001",
        "tcp://127.0.0.1:0;10.0.0.5:5001",  # from a source address, to another host
    ],
)
def test_links_others_can_reach_need_keys(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="needs keys"):
        require_safe(endpoint, None)
    require_safe(endpoint, ServerSecurity(PAIR, "clients"))
    require_safe(endpoint, ClientSecurity(PAIR, PAIR.public))


@pytest.mark.parametrize(
    "endpoint",
    ["ws://127.0.0.1:1", "inproc://x", "127.0.0.1:5001", "tcp://", "ipc://@x", "ipc://*"],
)
def test_any_other_endpoint_is_refused_with_or_without_keys(endpoint: str) -> None:
    for security in (None, ServerSecurity(PAIR, "clients")):
        with pytest.raises(ConfigError, match=r"endpoint (begins|must be)"):
            require_safe(endpoint, security)


def test_both_ends_refuse_and_leave_no_socket_open(context: zmq.Context[Any]) -> None:
    with pytest.raises(ConfigError, match="needs keys"):
        ServerChannel(context, "tcp://0.0.0.0:*", Knock)
    with pytest.raises(ConfigError, match="needs keys"):
        ClientChannel(context, "tcp://10.0.0.5:5001", Knock, b"me")
    with pytest.raises(LinkError, match=r"cannot connect to tcp://127\.0\.0\.1:port"):
        ClientChannel(context, "tcp://127.0.0.1:port", Knock, b"me")


def test_keys_are_never_shown() -> None:
    security = ClientSecurity(PAIR, b"server")
    assert PAIR.secret.decode() not in f"{security!r} {security} {ServerSecurity(PAIR, 'x')}"


def test_member_of_the_domain_comes_in(door: ServerChannel[Knock], keys: Path) -> None:
    assert comes_in(door, client_security(keys, "worker"))


def test_nobody_comes_in_without_keys_even_on_loopback(door: ServerChannel[Knock]) -> None:
    assert not comes_in(door, None)


def test_foreign_key_stays_outside(door: ServerChannel[Knock], foreign_keys: Path) -> None:
    assert not comes_in(door, client_security(foreign_keys, "worker"))


@pytest.mark.parametrize("member", ["api", "client"])
def test_key_of_another_role_stays_outside(
    door: ServerChannel[Knock], keys: Path, member: Any
) -> None:
    assert not comes_in(door, client_security(keys, member))


def test_those_outside_do_not_disturb_those_inside(
    door: ServerChannel[Knock], keys: Path, foreign_keys: Path
) -> None:
    for _ in range(3):
        assert not comes_in(door, client_security(foreign_keys, "worker"))
        assert comes_in(door, client_security(keys, "worker"))


def test_client_does_not_talk_to_a_scheduler_it_does_not_know(
    door: ServerChannel[Knock], keys: Path
) -> None:
    right = client_security(keys, "worker")
    assert right is not None
    assert not comes_in(door, msgspec.structs.replace(right, server_public_key=PAIR.public))


def test_without_a_doorkeeper_nobody_comes_in(context: zmq.Context[Any], keys: Path) -> None:
    with closing(bound(context, server_keys(keys))) as door:
        assert not comes_in(door, client_security(keys, "worker"))


def test_without_keys_there_is_no_doorkeeper(context: zmq.Context[Any]) -> None:
    with doorkeeper(context, NO_KEYS.allowed), closing(bound(context, NO_KEYS)) as door:
        assert comes_in(door, None)


def test_loopback_speaks_ipv6(context: zmq.Context[Any]) -> None:
    channel: ServerChannel[Knock] = ServerChannel(context, "tcp://[::1]:*", Knock)
    with closing(channel) as door:
        assert comes_in(door, None)
