"""The key files: who may read them, what each role finds in them, and what is no use."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import zmq

from forge_common.curve_keys import (
    FILES_OF_ROLES,
    NO_KEYS,
    client_security,
    make_keys,
    make_keys_by_role,
    server_keys,
)
from forge_common.errors import ConfigError


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    make_keys(tmp_path / "keys")
    return tmp_path / "keys"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directory_and_secrets_are_for_their_owner_alone(keys: Path) -> None:
    secrets = list(keys.rglob("*.key_secret"))
    assert {path.name.removesuffix(".key_secret") for path in secrets} == {
        "server",
        "api",
        "client",
        "worker",
    }
    assert mode_of(keys) == 0o700
    assert {mode_of(path) for path in secrets} == {0o600}


def test_files_to_copy_hold_no_secret(keys: Path) -> None:
    for path in keys.rglob("*.key"):
        assert "secret-key" not in path.read_text()


def test_each_link_has_its_own_members(keys: Path) -> None:
    members = {path.relative_to(keys).as_posix() for path in keys.glob("*/*")}
    assert members == {"clients/api.key", "clients/client.key", "worker/worker.key"}


def test_keys_are_never_overwritten(keys: Path) -> None:
    before = server_keys(keys)
    with pytest.raises(ConfigError, match="exists already"):
        make_keys(keys)
    assert server_keys(keys) == before


def test_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        make_keys(tmp_path / "absent" / "keys")


def test_both_ends_know_one_another(keys: Path) -> None:
    server, worker = server_keys(keys), client_security(keys, "worker")
    assert server.pair is not None
    assert worker is not None
    assert worker.server_public_key == server.pair.public
    assert worker.keys.public in (server.allowed["worker"] / "worker.key").read_bytes()


def test_no_directory_means_no_keys() -> None:
    assert server_keys(None) is NO_KEYS
    assert NO_KEYS.security("clients") is None
    assert client_security(None, "api") is None


def test_role_needs_only_the_files_of_its_host(keys: Path) -> None:
    for name in ("server.key_secret", "api.key_secret", "client.key_secret"):
        (keys / name).unlink()
    assert client_security(keys, "worker") is not None
    with pytest.raises(ConfigError, match=r"api\.key_secret: there is no such key file"):
        client_security(keys, "api")


def test_secret_that_others_can_read_is_refused(keys: Path) -> None:
    (keys / "api.key_secret").chmod(0o640)
    with pytest.raises(ConfigError, match="make its mode 0600"):
        client_security(keys, "api")


def test_public_file_in_the_place_of_a_secret_one_is_refused(keys: Path) -> None:
    (keys / "worker" / "worker.key").rename(keys / "worker.key_secret")
    with pytest.raises(ConfigError, match="not the secret file"):
        client_security(keys, "worker")


def test_halves_of_two_pairs_are_refused(keys: Path) -> None:
    path = keys / "worker.key_secret"
    security = client_security(keys, "worker")
    assert security is not None
    path.write_bytes(path.read_bytes().replace(security.keys.public, zmq.curve_keypair()[0]))
    with pytest.raises(ConfigError, match="not the secret file"):
        client_security(keys, "worker")


@pytest.mark.parametrize("text", ["", "\xff\xfe", 'public-key = "short"\n'])
def test_file_that_holds_no_key_is_refused(keys: Path, text: str) -> None:
    (keys / "clients" / "api.key").write_text(text)
    with pytest.raises(ConfigError, match=r"clients/api\.key: "):
        server_keys(keys)


def test_empty_allow_list_is_refused(keys: Path) -> None:
    (keys / "worker" / "worker.key").unlink()
    with pytest.raises(ConfigError, match="nobody could come in"):
        server_keys(keys)


def test_keys_by_role_give_each_role_what_it_needs(tmp_path: Path) -> None:
    for role in FILES_OF_ROLES:
        (tmp_path / role).mkdir()  # as a new volume is
    assert make_keys_by_role(tmp_path)
    assert {path.name for path in (tmp_path / "worker").iterdir()} == {
        "server.key",
        "worker.key_secret",
    }
    assert server_keys(tmp_path / "scheduler").pair is not None
    for member in ("api", "client", "worker"):
        assert client_security(tmp_path / member, member) is not None
    assert client_security(tmp_path / "scheduler", "client") is not None  # for its health check


def test_keys_by_role_are_made_once(tmp_path: Path) -> None:
    make_keys_by_role(tmp_path)
    before = (tmp_path / "api" / "api.key_secret").read_bytes()
    assert not make_keys_by_role(tmp_path)
    assert (tmp_path / "api" / "api.key_secret").read_bytes() == before


def test_keys_by_role_that_are_there_in_part_are_refused(tmp_path: Path) -> None:
    make_keys_by_role(tmp_path)
    (tmp_path / "api" / "api.key_secret").unlink()
    with pytest.raises(ConfigError, match="some of the keys"):
        make_keys_by_role(tmp_path)
