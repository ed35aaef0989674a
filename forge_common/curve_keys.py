"""The keys of a deployment that is spread over hosts, as files in a directory.

    KEYS/server.key           public: every host knows the scheduler by it
    KEYS/server.key_secret    secret: the scheduler's host, with the two directories
    KEYS/clients/*.key        public: who may send requests (api, client)
    KEYS/worker/*.key         public: who may be the worker
    KEYS/NAME.key_secret      secret: the host of that role (api, client, worker)

A secret file holds both halves of its pair; a host has only the files its role needs. For hosts
that are containers a directory of each role is made at once, as KEYS/scheduler. Knows no endpoint.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import zmq
from msgspec import Struct
from zmq.auth import create_certificates, load_certificate

from forge_common.errors import ConfigError
from forge_common.link_security import ClientSecurity, KeyPair, ServerSecurity

Domain = Literal["clients", "worker"]
Member = Literal["api", "client", "worker"]

MEMBERS: Mapping[Domain, tuple[Member, ...]] = {"clients": ("api", "client"), "worker": ("worker",)}
SERVER = "server"
# The last two of the scheduler's are for its health check, which asks as a client does.
FILES_OF_ROLES: Mapping[str, tuple[str, ...]] = {
    "scheduler": ("server.key_secret", "clients", "worker", "server.key", "client.key_secret"),
    "worker": ("server.key", "worker.key_secret"),
    "api": ("server.key", "api.key_secret"),
    "client": ("server.key", "client.key_secret"),
}


class ServerKeys(Struct, frozen=True):
    """What the scheduler shows to whoever connects, and by domain the directory of who may."""

    pair: KeyPair | None
    allowed: Mapping[str, Path]

    def security(self, domain: Domain) -> ServerSecurity | None:
        return None if self.pair is None else ServerSecurity(self.pair, domain)


NO_KEYS = ServerKeys(None, {})


def make_keys(directory: Path) -> None:
    """A new directory of mode 0700 with a pair for each role. ConfigError where it exists."""
    try:
        directory.mkdir(mode=0o700)
        _make_pair(directory, SERVER)
        for domain, members in MEMBERS.items():
            (directory / domain).mkdir(mode=0o700)
            for member in members:
                public = _make_pair(directory, member)
                public.rename(directory / domain / public.name)
    except FileExistsError as error:
        raise ConfigError(f"{directory} exists already: keys are never overwritten") from error
    except OSError as error:
        raise ConfigError(f"cannot make keys in {directory}: {error.strerror}") from error


def make_keys_by_role(directory: Path) -> bool:
    """The keys of a deployment as a directory for each role; False where they are all there.

    A role's directory may be there and empty, as a new volume is. ConfigError where only some of
    the files are there: keys are never overwritten.
    """
    wanted = [Path(role, name) for role, names in FILES_OF_ROLES.items() for name in names]
    is_there = [(directory / path).exists() for path in wanted]
    if all(is_there):
        return False
    if any(is_there):
        raise ConfigError(f"{directory} holds some of the keys and not all: delete them to start")
    try:
        with tempfile.TemporaryDirectory() as private:
            make_keys(Path(private, "keys"))
            for path in wanted:
                _copy(Path(private, "keys", path.name), directory / path)
    except OSError as error:
        raise ConfigError(f"cannot make keys in {directory}: {error.strerror}") from error
    return True


def server_keys(directory: str | Path | None) -> ServerKeys:
    """The scheduler's, from the directory --curve-keys names. ConfigError where they are no use."""
    if directory is None:
        return NO_KEYS
    allowed: dict[str, Path] = {domain: Path(directory, domain) for domain in MEMBERS}
    for members in allowed.values():
        _check_allow_list(members)
    return ServerKeys(_read_pair(Path(directory, f"{SERVER}.key_secret")), allowed)


def client_security(directory: str | Path | None, member: Member) -> ClientSecurity | None:
    """As `server_keys`, for who connects to the scheduler; None where there are no keys."""
    if directory is None:
        return None
    server_public_key = _read_public(Path(directory, f"{SERVER}.key"))
    return ClientSecurity(_read_pair(Path(directory, f"{member}.key_secret")), server_public_key)


def _make_pair(directory: Path, name: str) -> Path:
    """The file of its public half."""
    public, secret = map(Path, create_certificates(directory, name))
    secret.chmod(0o600)  # nobody saw it before either: its directory is private
    public.chmod(0o644)
    return public


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def _check_allow_list(directory: Path) -> None:
    paths = sorted(directory.glob("*.key"))
    if not paths:
        raise ConfigError(f"{directory} holds no public key (*.key), so nobody could come in")
    for path in paths:
        _read_public(path)


def _read_pair(path: Path) -> KeyPair:
    public, secret = _read(path)
    if secret is None or _public_half(path, secret) != public:
        raise ConfigError(f"{path}: this is not the secret file of a key pair")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(f"{path}: others can read this secret; make its mode 0600")
    return KeyPair(public, secret)


def _read_public(path: Path) -> bytes:
    public, _ = _read(path)
    _public_half(path, public)  # any text of the right form has one
    return public


def _read(path: Path) -> tuple[bytes, bytes | None]:
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such key file")
    try:
        return load_certificate(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot read the key file: {error}") from error


def _public_half(path: Path, key: bytes) -> bytes:
    try:
        return zmq.curve_public(key)
    except (zmq.ZMQError, ValueError) as error:
        raise ConfigError(f"{path}: this is not a CURVE key") from error
