"""Which endpoints need keys, and what a socket with keys is told: CURVE, and who may come in.

An ipc socket is guarded by its private directory, and tcp on loopback never leaves the host; any
other tcp endpoint is refused without keys, at either end. A server that has keys asks the
`Doorkeeper` about every key that knocks; with no doorkeeper in its context it lets nobody in.
Knows keys and allow-lists, but no file they come from.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq
from msgspec import Struct
from zmq.auth.thread import ThreadAuthenticator

from forge_common.errors import ConfigError

ABSTRACT_MARKS = ("@", "*")  # ipc names that stand in no directory whose mode could guard them


class KeyPair(Struct, frozen=True):
    """One CURVE certificate, in Z85; never shown, so that no log or traceback can tell it."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r}, secret=…)"


class ServerSecurity(Struct, frozen=True):
    """For a bound socket: its keys, and the domain whose allow-list says who may come in."""

    keys: KeyPair
    domain: str

    def apply(self, socket: zmq.Socket[Any]) -> None:
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.keys.secret)
        socket.setsockopt_string(zmq.ZAP_DOMAIN, self.domain)
        # Without it libzmq lets in every key when nobody is there to be asked.
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


class ClientSecurity(Struct, frozen=True):
    """For a connecting socket: its keys, and the public key by which it knows its server."""

    keys: KeyPair
    server_public_key: bytes

    def apply(self, socket: zmq.Socket[Any]) -> None:
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.keys.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.keys.secret)
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server_public_key)


Security = ServerSecurity | ClientSecurity | None


def secure(socket: zmq.Socket[Any], endpoint: str, security: Security) -> None:
    """Before it is bound or connected. ConfigError where `endpoint` is not safe as it stands."""
    require_safe(endpoint, security)
    if endpoint.startswith("tcp://"):
        socket.setsockopt(zmq.IPV6, "[" in endpoint)
        if security is not None:
            security.apply(socket)


def require_safe(endpoint: str, security: Security) -> None:
    """ConfigError in one sentence where others than this user, or this host, could listen in."""
    transport, _, address = endpoint.partition("://")
    if transport not in ("ipc", "tcp") or not address:
        raise ConfigError(f"{endpoint}: an endpoint begins with ipc:// or tcp://")
    if transport == "ipc" and address.startswith(ABSTRACT_MARKS):
        raise ConfigError(f"{endpoint}: an ipc endpoint must be a file in a private directory")
    if transport == "tcp" and security is None and not _is_loopback(address):
        raise ConfigError(
            f"{endpoint}: other hosts can reach this link, so it needs keys: "
            "make them with `forge-launch keys` and name their directory with --curve-keys"
        )


def _is_loopback(address: str) -> bool:
    """Of `host:port`. A name that is not understood may be anywhere, so it is not loopback."""
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def doorkeeper(context: zmq.Context[Any], allowed: Mapping[str, Path]) -> Iterator[None]:
    """While it lasts, lets into each domain only the public keys (`*.key`) in its directory.

    Serves every socket of `context`, on a thread that sleeps until somebody knocks. Where there
    are no domains there is nothing to guard, and no thread.
    """
    if not allowed:
        yield
        return
    authenticator = ThreadAuthenticator(context)
    for domain, directory in allowed.items():
        authenticator.configure_curve(domain, directory)
    authenticator.start()
    try:
        yield
    finally:
        authenticator.stop()
